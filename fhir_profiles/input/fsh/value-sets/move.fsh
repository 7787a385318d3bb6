ValueSet: MoveValueSet
Id: move
Title: "Move"
Description: "What a party does."
* ^experimental = false
* include codes from system MoveCodeSystem
