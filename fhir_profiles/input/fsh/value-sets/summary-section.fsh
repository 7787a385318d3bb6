ValueSet: SummarySectionValueSet
Id: summary-section
Title: "Summary section"
Description: "What a section of a summary is about."
* ^experimental = false
* include codes from system SummarySectionCodeSystem
