ValueSet: ClockValueSet
Id: clock
Title: "Clock"
Description: "Whose time was over."
* ^experimental = false
* include codes from system ClockCodeSystem
