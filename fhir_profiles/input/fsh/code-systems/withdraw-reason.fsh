CodeSystem: WithdrawReasonCodeSystem
Id: withdraw-reason
Title: "Withdraw reason"
Description: "Why an offer is withdrawn or a referral cancelled."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #patient-died "Patient died" "The patient died before arrival."
* #patient-declined "Patient declined" "The patient does not want to go."
* #patient-chose-elsewhere "Patient chose elsewhere" "The patient went to another place."
* #improved "Improved" "The patient no longer needs it."
* #no-transport "No transport" "There is no way to get there."
* #no-answer "No answer" "The facility did not answer."
* #wrong-target "Wrong target" "The wrong facility was asked."
* #transferred-outside-network "Transferred outside the network" "The patient was sent to a facility outside the network."
* #entered-by-mistake "Entered by mistake" "It should not have been written."
* #other "Other" "Another reason: see the text."
