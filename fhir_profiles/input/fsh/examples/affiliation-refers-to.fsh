Instance: affiliation-refers-to
InstanceOf: Affiliation
Usage: #example
Title: "An affiliation"
Description: "The station refers to the hospital, for eye operations alone."
* active = true
* period.start = "2026-01-01"
* organization = Reference(Organization/station)
* participatingOrganization = Reference(valley-hospital)
* network = Reference(Organization/hill)
* code = $affiliation-kind#refers-to
* specialty = $technique#T1
