Extension: LevelExtension
Id: level
Title: "Level of care"
Description: "The legal level of care of the facility."
Context: Organization
* value[x] 1..1
* value[x] only code
* valueCode from Level (required)
