Instance: offer-rejected
InstanceOf: Offer
Usage: #example
Title: "An offer, rejected"
Description: "The receiver does not take the patient and says why."
* status = #rejected
* businessStatus = $offer-status#rejected
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
* statusReason = $reject-reason#no-capacity
* statusReason.text = "No bed until Thursday."
