CodeSystem: LoopCodeSystem
Id: loop
Title: "Loop"
Description: "How the loop of a journey stands: whether the patient who was sent came back. Found by the search parameter loop of ServiceRequest."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #open "Open" "Somebody still owes a step."
* #closed "Closed" "The patient came back or needs nothing more, and the sender knows."
* #closed-without-return "Closed without return" "The patient died, declined or did not go on."
* #lost "Lost" "Care ended, and nobody closed the referral in time."
