CodeSystem: SummarySectionCodeSystem
Id: summary-section
Title: "Summary section"
Description: "What a section of a summary is about: Composition.section.code."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #diagnosis "Diagnosis" "What the patient had or has."
* #done "What was done" "The course of care: findings, operations, treatment."
* #medicines "Medicines" "What the patient takes from now on, and what was stopped."
* #community "In the community" "What those at home and at the station should do and watch for."
* #next-visit "Next visit" "When and where the patient is to come again."
