Instance: location-valley-hospital
InstanceOf: FacilityLocation
Usage: #example
Title: "The location of a facility"
Description: "Travel is reckoned from here."
* extension[landmass].valueCode = #mainland
* extension[positionSource].valueString = "surveyed"
* status = #active
* name = "Bệnh viện Thung Lũng"
* mode = #instance
* type = $mcsd-type#facility
* address.city = "Thung Lũng"
* physicalType = $physical-type#si
* position.longitude = 106.041
* position.latitude = 10.532
* managingOrganization = Reference(valley-hospital)
