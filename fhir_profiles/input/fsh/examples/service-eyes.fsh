Instance: service-eyes
InstanceOf: FacilityService
Usage: #example
Title: "A service"
Description: "An eye clinic for grown-ups, with what it can take now."
* extension[capacity].extension[status].valueCode = #capacity
* extension[capacity].extension[free].valueInteger = 3
* extension[capacity].extension[asOf].valueDateTime = "2026-03-02T06:00:00Z"
* extension[hours].valueString = "Mon-Fri 07:00-16:30; first Sat 08:00-11:00"
* active = true
* providedBy = Reference(valley-hospital)
* type = $technique#T1
* specialty = $sct#394594003
* location = Reference(location-valley-hospital)
* name = "Khoa Mắt"
* eligibility[0].extension[ageRange].valueRange.low = 16 'a' "years"
* eligibility[0].extension[ageRange].valueRange.high = 80 'a' "years"
* eligibility[1].code = $gender#female
