ValueSet: Outcome
Id: outcome
Title: "Outcome"
Description: "How the patient is when care at the receiver ends."
* ^experimental = false
* include codes from system $outcome
