CodeSystem: ReferralKindCodeSystem
Id: referral-kind
Title: "Referral kind"
Description: "What makes a ServiceRequest a referral."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #referral "Referral" "A request to move the care of a patient to another facility."
