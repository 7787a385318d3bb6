CodeSystem: AffiliationKindCodeSystem
Id: affiliation-kind
Title: "Affiliation kind"
Description: "What the participating organization does for the organization."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #member "Member" "The facility belongs to the network that is the organization."
* #refers-to "Refers to" "The participating organization takes patients of the organization."
* #supports "Supports" "The participating organization, a core hospital, supports the organization."
* #green-channel "Green channel" "The participating organization takes urgent patients of the organization ahead of others."
* #recognises-results "Recognises results" "The organization does not repeat tests that the laboratory of the participating organization made."
