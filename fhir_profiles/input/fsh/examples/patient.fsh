Instance: example-patient
InstanceOf: Patient
Usage: #example
Title: "A patient"
Description: "An invented patient of the station."
* identifier.system = "urn:example:station:patients"
* identifier.value = "A-100237"
* active = true
* name.family = "Trần"
* name.given[0] = "Thị"
* name.given[1] = "Mẫu"
* gender = #female
* birthDate = "1961-05-04"
