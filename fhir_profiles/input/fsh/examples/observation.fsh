Instance: example-observation
InstanceOf: Observation
Usage: #example
Title: "A finding"
Description: "A body temperature that the station sends along."
* status = #final
* code = $loinc#8310-5 "Body temperature"
* subject = Reference(example-patient)
* effectiveDateTime = "2026-03-02T07:40:00+07:00"
* valueQuantity = 38.5 $ucum#Cel "°C"
