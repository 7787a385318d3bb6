ValueSet: CostTerm
Id: cost-term
Title: "Cost term"
Description: "What a term of the cost of a suggested target stands for, in minutes."
* ^experimental = false
* include codes from system $cost-term
