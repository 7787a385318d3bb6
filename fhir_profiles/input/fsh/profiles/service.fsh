Profile: FacilityService
Parent: HealthcareService
Id: service
Title: "Service"
Description: "A department or clinic of a facility: what has hours and capacity. The techniques that it may do stand in type, as codes of a dated national list (CodeSystem/technique-LIST)."
* extension contains
    CapacityExtension named capacity 0..1 MS and
    HoursExtension named hours 0..1
* active MS
* providedBy MS
* type MS
* specialty MS
* location MS
* name MS
* eligibility.extension contains AgeRangeExtension named ageRange 0..1 MS
* eligibility.code ^short = "female or male of administrative-gender: the only sex that it takes"
* availableTime MS
