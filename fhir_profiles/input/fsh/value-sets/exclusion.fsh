ValueSet: Exclusion
Id: exclusion
Title: "Exclusion"
Description: "Why a facility is ruled out as a target; the first that applies."
* ^experimental = false
* include codes from system $exclusion
