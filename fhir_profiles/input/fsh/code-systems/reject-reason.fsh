CodeSystem: RejectReasonCodeSystem
Id: reject-reason
Title: "Reject reason"
Description: "Why a receiver does not take an offer."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #no-capacity "No capacity" "No free place."
* #outside-capability "Outside capability" "The facility cannot give this care."
* #insufficient-information "Insufficient information" "Too little is known of the patient to decide."
* #wrong-level "Wrong level" "Another level of care is the right one."
* #duplicate "Duplicate" "The patient was referred twice."
* #other "Other" "Another reason: see the text."
