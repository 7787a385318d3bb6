Instance: offer-arrived
InstanceOf: Offer
Usage: #example
Title: "An offer, arrived"
Description: "The patient is there."
* status = #in-progress
* businessStatus = $offer-status#arrived
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
