CodeSystem: DirectionCodeSystem
Id: direction
Title: "Direction"
Description: "Which way a referral moves the patient between tiers."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #up "Up" "To a higher tier."
* #down "Down" "To a lower tier, as a rule back to where the patient came from."
* #lateral "Lateral" "To the same tier."
