Instance: valley-hospital
InstanceOf: Facility
Usage: #example
Title: "A facility"
Description: "An invented hospital, as the office of its network writes it."
* extension[level].valueCode = #basic
* extension[points].valueInteger = 72
* extension[formerLevel].valueCode = #district
* identifier[facility].system = $facility-id
* identifier[facility].value = "valley-hospital"
* identifier[facility].assigner = Reference(Organization/hill)
* identifier[insurer].system = $insurer-code
* identifier[insurer].value = "31-207"
* active = true
* type = $mcsd-type#facility
* name = "Bệnh viện Thung Lũng"
* alias = "Valley hospital"
* telecom.system = #phone
* telecom.value = "+84 225 000 0207"
* address.city = "Thung Lũng"
