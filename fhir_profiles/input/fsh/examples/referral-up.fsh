Instance: referral-up
InstanceOf: Referral
Usage: #example
Title: "A referral up, as a station sends it"
Description: "One performer: it is offered at once. The number, journey and network are added by the hub."
* identifier[0].system = "urn:example:station:referrals"
* identifier[0].value = "2026-0412"
* extension[direction].valueCode = #up
* extension[ground].valueCode = #beyond-capability
* status = #active
* intent = #order
* category = $sct#3457005
* priority = #urgent
* code = $technique#T1
* code.text = "Eye operation"
* subject = Reference(example-patient)
* requester = Reference(Organization/station)
* performer = Reference(Organization/valley-hospital)
* reasonCode = $icd-10#H25.9
* supportingInfo = Reference(example-observation)
* note.text = "Lives alone; her daughter comes with her."
