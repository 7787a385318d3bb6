Profile: Membership
Parent: OrganizationAffiliation
Id: membership
Title: "Membership"
Description: "A facility in a network, and its tier there. A central hospital is a member of several networks, by one membership each."
* identifier ^short = "The id of the facility in this network"
* active MS
* period MS
* organization MS
* organization ^short = "The network"
* participatingOrganization 1..1 MS
* participatingOrganization ^short = "The facility"
* network 1..1 MS
* code 2..* MS
* code ^slicing.discriminator.type = #pattern
* code ^slicing.discriminator.path = "$this"
* code ^slicing.rules = #open
* code contains kind 1..1 MS
* code[kind] = $affiliation-kind#member
* obeys mem-1 and mem-2

Invariant: mem-1
Description: "A second code is the tier of the facility in the network, and there is one."
Severity: #error
Expression: "code.coding.where(system = 'http://referral.example/fhir/CodeSystem/tier').count() = 1"

Invariant: mem-2
Description: "The tier is a code of our code system tier."
Severity: #error
Expression: "code.coding.where(system = 'http://referral.example/fhir/CodeSystem/tier').code.all($this in ('station' | 'satellite' | 'core' | 'central'))"
