Profile: Affiliation
Parent: OrganizationAffiliation
Id: affiliation
Title: "Affiliation"
Description: "A directed tie between two facilities of a network. The organization receives the role, the participatingOrganization performs it: who refers and to whom, who is supported and by whom."
* active MS
* period MS
* organization 1..1 MS
* organization ^short = "refers-to, green-channel: the sender. supports: the satellite. recognises-results: who relies on the results"
* participatingOrganization 1..1 MS
* participatingOrganization ^short = "refers-to, green-channel: the target. supports: the core. recognises-results: the house of the laboratory"
* network 1..1 MS
* code 1..* MS
* specialty ^short = "The techniques and specialties that the tie is limited to"
* obeys aff-1 and aff-2

Invariant: aff-1
Description: "One code is refers-to, supports, green-channel or recognises-results of affiliation-kind."
Severity: #error
Expression: "code.coding.where(system = 'http://referral.example/fhir/CodeSystem/affiliation-kind').count() = 1 and code.coding.where(system = 'http://referral.example/fhir/CodeSystem/affiliation-kind').code.all($this in ('refers-to' | 'supports' | 'green-channel' | 'recognises-results'))"

Invariant: aff-2
Description: "A tie needs two facilities."
Severity: #error
Expression: "organization.reference.empty() or participatingOrganization.reference.empty() or organization.reference != participatingOrganization.reference"
