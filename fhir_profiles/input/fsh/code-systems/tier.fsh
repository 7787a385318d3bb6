CodeSystem: TierCodeSystem
Id: tier
Title: "Tier"
Description: "Place of a facility in one network, lowest first. It is not the legal level."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #station "Station" "A health station of a commune."
* #satellite "Satellite" "A hospital or centre that a core hospital supports."
* #core "Core" "A leading hospital of the network."
* #central "Central" "A hospital that stands above several networks."
