Instance: referral-draft
InstanceOf: Referral
Usage: #example
Title: "A draft"
Description: "Kept for its sender alone until it is submitted. It asks for a specialty, and names its target by the identifier of a facility."
* status = #draft
* intent = #order
* category = $referral-kind#referral
* subject = Reference(example-patient)
* performerType = $sct#394594003
* performer.type = "Organization"
* performer.identifier.system = $facility-id
* performer.identifier.value = "valley-hospital"
