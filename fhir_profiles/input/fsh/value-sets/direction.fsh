ValueSet: Direction
Id: direction
Title: "Direction"
Description: "Which way a referral moves the patient between tiers."
* ^experimental = false
* include codes from system $direction
