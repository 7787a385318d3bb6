Profile: Facility
Parent: Organization
Id: facility
Title: "Facility"
Description: "A place of care, as an IHE mCSD facility. The office of its network writes it; the facility itself changes telecom, address and contact."
* extension contains
    LevelExtension named level 0..1 MS and
    PointsExtension named points 0..1 and
    FormerLevelExtension named formerLevel 0..1
* identifier MS
* identifier ^slicing.discriminator.type = #value
* identifier ^slicing.discriminator.path = "system"
* identifier ^slicing.rules = #open
* identifier contains
    facility 0..* MS and
    insurer 0..1
* identifier[facility] ^short = "Its id in a network, which is the assigner"
* identifier[facility].system 1..1
* identifier[facility].system = $facility-id
* identifier[facility].value 1..1
* identifier[facility].assigner only Reference(Organization)
* identifier[insurer] ^short = "Its code with the health insurer"
* identifier[insurer].system 1..1
* identifier[insurer].system = $insurer-code
* identifier[insurer].value 1..1
* active MS
* type 1..* MS
* name 1..1 MS
* telecom MS
* address MS
* obeys fac-1 and fac-2

Invariant: fac-1
Description: "One type is facility of IHE mCSD."
Severity: #error
Expression: "type.coding.where(system = 'https://profiles.ihe.net/ITI/mCSD/CodeSystem/IHE.mCSD.Organization.Location.Types' and code = 'facility').exists()"

Invariant: fac-2
Description: "The code with the insurer has 64 characters at most."
Severity: #error
Expression: "identifier.where(system = 'http://referral.example/fhir/sid/insurer-code').value.all(length() <= 64)"
