Instance: offer-requested
InstanceOf: Offer
Usage: #example
Title: "An offer"
Description: "What a sender posts to put a referral to a facility."
* status = #requested
* businessStatus = $offer-status#requested
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
* identifier.system = "urn:example:station:tasks"
* identifier.value = "T-77"
* input[means].type = $task-input#means
* input[means].valueString = "ambulance of the station"
* input[escort].type = $task-input#escort
* input[escort].valueString = "a nurse"
* input[eta].type = $task-input#eta
* input[eta].valueDateTime = "2026-03-02T09:30:00+07:00"
