Instance: offer-completed
InstanceOf: Offer
Usage: #example
Title: "An offer, completed"
Description: "Care has ended: how the patient is, where she goes, and the summary."
* status = #completed
* businessStatus = $offer-status#completed
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
* output[outcome].type = $task-output#outcome
* output[outcome].valueCodeableConcept = $outcome#improved
* output[disposition].type = $task-output#disposition
* output[disposition].valueCodeableConcept = $disposition#discharged
* output[summary].type = $task-output#summary
* output[summary].valueReference = Reference(summary-discharge)
