ValueSet: EndReason
Id: end-reason
Title: "End reason"
Description: "Why a referral ended by itself."
* ^experimental = false
* include codes from system $end-reason
