ValueSet: Level
Id: level
Title: "Level of care"
Description: "Legal level of care of a facility, lowest first (Law 15/2023/QH15 of Viet Nam)."
* ^experimental = false
* include codes from system $level
