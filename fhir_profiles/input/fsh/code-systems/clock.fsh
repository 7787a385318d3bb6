CodeSystem: ClockCodeSystem
Id: clock
Title: "Clock"
Description: "Whose time was over when a clock warned or escalated: Provenance.reason."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #place "Place" "A facility is to be asked."
* #acknowledge "Acknowledge" "Who was asked is to see it."
* #answer "Answer" "What was asked is to be answered."
* #summary "Summary" "The summary is to be written."
* #close "Close" "The sender is to read how it ended."
* #slip "Slip" "The slip is valid no longer, or soon."
