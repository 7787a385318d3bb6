ValueSet: PartyValueSet
Id: party
Title: "Party"
Description: "Who makes a move."
* ^experimental = false
* include codes from system PartyCodeSystem
