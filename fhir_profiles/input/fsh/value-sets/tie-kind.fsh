ValueSet: TieKind
Id: tie-kind
Title: "Kind of tie"
Description: "The affiliations between two facilities."
* ^experimental = false
* $affiliation-kind#refers-to
* $affiliation-kind#supports
* $affiliation-kind#green-channel
* $affiliation-kind#recognises-results
