Extension: FormerLevelExtension
Id: former-level
Title: "Former level"
Description: "The level of the facility before the present law, in the words of that time."
Context: Organization
* value[x] 1..1
* value[x] only code
