CodeSystem: MissReasonCodeSystem
Id: miss-reason
Title: "Miss reason"
Description: "Why an expected patient is not there."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #not-arrived "Not arrived" "The patient did not come, and nobody knows why."
* #turned-back "Turned back" "The patient went home on the way."
* #unreachable "Unreachable" "The patient cannot be reached."
* #other "Other" "Another reason: see the text."
