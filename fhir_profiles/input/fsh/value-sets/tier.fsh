ValueSet: Tier
Id: tier
Title: "Tier"
Description: "Place of a facility in one network, lowest first. It is not the legal level."
* ^experimental = false
* include codes from system $tier
