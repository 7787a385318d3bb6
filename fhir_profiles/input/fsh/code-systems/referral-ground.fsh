CodeSystem: ReferralGroundCodeSystem
Id: referral-ground
Title: "Referral ground"
Description: "Why the sender may refer."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #meets-conditions "Meets the conditions" "The patient meets the conditions for care at the level asked for."
* #beyond-capability "Beyond capability" "The sender cannot give the care that the patient needs."
* #patient-request "At the patient's request" "The patient or the family asks for it."
