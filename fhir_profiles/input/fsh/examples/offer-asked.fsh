Instance: offer-asked
InstanceOf: Offer
Usage: #example
Title: "An offer, asked about"
Description: "The receiver asks something before it decides."
* status = #received
* businessStatus = $offer-status#awaiting-information
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
* statusReason.text = "Which eye is it, and how far can she see?"
