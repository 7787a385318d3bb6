CodeSystem: LoopReasonCodeSystem
Id: loop-reason
Title: "Loop reason"
Description: "Why the loop of a journey stands as it does, where it is not open."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #returned "Returned" "Back to where the patient came from."
* #discharged "Discharged" "Home, with nothing more to do."
* #moved-on "Moved on" "To a facility that is not in the hub."
* #died "Died" "The patient died."
* #declined "Declined" "The patient or the family did not want it, or went elsewhere."
* #gave-up "Gave up" "It was not gone on with, for another reason."
* #mistaken "Mistaken" "It should not have been written."
* #replaced "Replaced" "It lapsed, and another referral took its place."
* #not-closed "Not closed" "Nobody closed it in time."
