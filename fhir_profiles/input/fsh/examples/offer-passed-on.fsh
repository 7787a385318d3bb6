Instance: offer-passed-on
InstanceOf: Offer
Usage: #example
Title: "An offer, passed on"
Description: "The receiver names another facility, which gets an offer of its own."
* status = #rejected
* businessStatus = $offer-status#referred-onward
* intent = #order
* code = $task-code#fulfill
* focus = Reference(referral-up)
* for = Reference(example-patient)
* owner = Reference(Organization/valley-hospital)
* statusReason = $reject-reason#outside-capability
* statusReason.text = "Our microscope is being repaired."
* output[target].type = $task-output#target
* output[target].valueReference = Reference(Organization/hospital)
