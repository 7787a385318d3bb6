CodeSystem: CostTermCodeSystem
Id: cost-term
Title: "Cost term"
Description: "What a term of the cost of a suggested target stands for, in minutes."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #travel "Travel" "The way there."
* #answer "Answer" "How long the facility takes to answer."
* #wait "Wait" "How long the patient waits there."
* #level "Level" "It is of a higher level than is needed."
* #insurance "Insurance" "What the insurer pays less there."
* #continuity "Continuity" "The patient is known there."
* #green-channel "Green channel" "An agreement opens a faster way."
* #results "Results" "It recognises results that the patient brings."
