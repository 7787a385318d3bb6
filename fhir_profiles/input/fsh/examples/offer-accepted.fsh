Instance: offer-accepted
InstanceOf: Offer
Usage: #example
Title: "An offer, accepted"
Description: "The receiver takes the patient."
* status = #accepted
* businessStatus = $offer-status#accepted
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
