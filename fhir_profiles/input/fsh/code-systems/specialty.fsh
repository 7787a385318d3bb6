CodeSystem: SpecialtyCodeSystem
Id: specialty
Title: "Specialty"
Description: "Specialties of a network that have no concept of SNOMED CT. Each network brings its own codes with its import, so none is listed here."
* ^experimental = false
* ^caseSensitive = true
* ^content = #not-present
