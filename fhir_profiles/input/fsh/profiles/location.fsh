Profile: FacilityLocation
Parent: Location
Id: location
Title: "Location of a facility"
Description: "Where a facility stands, as an IHE mCSD facility. Travel is reckoned from here."
* extension contains
    LandmassExtension named landmass 0..1 MS and
    PositionSourceExtension named positionSource 0..1
* status MS
* name MS
* type 1..* MS
* position 1..1 MS
* managingOrganization 1..1 MS
* managingOrganization only Reference(Organization)
* obeys loc-1 and loc-2

Invariant: loc-1
Description: "One type is facility of IHE mCSD."
Severity: #error
Expression: "type.coding.where(system = 'https://profiles.ihe.net/ITI/mCSD/CodeSystem/IHE.mCSD.Organization.Location.Types' and code = 'facility').exists()"

Invariant: loc-2
Description: "The latitude is from -90 to 90 degrees, the longitude from -180 to 180."
Severity: #error
Expression: "position.latitude >= -90 and position.latitude <= 90 and position.longitude >= -180 and position.longitude <= 180"
