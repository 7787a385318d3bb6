CodeSystem: OutcomeCodeSystem
Id: outcome
Title: "Outcome"
Description: "How the patient is when care at the receiver ends."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #cured "Cured" "Healthy again."
* #improved "Improved" "Better than on arrival."
* #unchanged "Unchanged" "As on arrival."
* #worse "Worse" "Worse than on arrival."
* #died "Died" "Died at the receiver."
* #went-home-severe "Went home severely ill" "Taken home by the family in a severe condition."
* #undetermined "Undetermined" "Not known."
