Instance: membership-valley-hospital
InstanceOf: Membership
Usage: #example
Title: "A membership"
Description: "The hospital in the network, as a satellite."
* identifier.system = $facility-id
* identifier.value = "valley-hospital"
* active = true
* period.start = "2026-01-01"
* organization = Reference(Organization/hill)
* participatingOrganization = Reference(valley-hospital)
* network = Reference(Organization/hill)
* code[kind] = $affiliation-kind#member
* code[1] = $tier#satellite
