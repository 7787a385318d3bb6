Instance: referral-cancelled
InstanceOf: Referral
Usage: #example
Title: "A cancelled referral"
Description: "What its sender sends to cancel it: the status and why."
* identifier[number].type = $v2-0203#FILL
* identifier[number].system = $referral-number
* identifier[number].value = "HI000000011"
* extension[direction].valueCode = #up
* extension[network].valueReference = Reference(Organization/hill)
* extension[statusReason].valueCodeableConcept = $withdraw-reason#patient-declined
* extension[statusReason].valueCodeableConcept.text = "She wants to stay with her family."
* status = #revoked
* intent = #order
* category = $sct#3457005
* code = $technique#T1
* subject = Reference(example-patient)
