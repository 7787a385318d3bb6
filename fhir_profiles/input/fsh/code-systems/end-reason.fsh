CodeSystem: EndReasonCodeSystem
Id: end-reason
Title: "End reason"
Description: "Why a referral ended by itself; the hub writes it, nobody says it."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #slip-expired "Slip expired" "The validity of the slip is past."
