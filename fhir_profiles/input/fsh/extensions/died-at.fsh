Extension: DiedAtExtension
Id: died-at
Title: "Died at"
Description: "When the patient died, with the reason patient-died; a day, a month or a year where no more is known."
Context: CodeableConcept
* value[x] 1..1
* value[x] only dateTime
