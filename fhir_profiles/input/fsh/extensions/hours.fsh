Extension: HoursExtension
Id: hours
Title: "Hours"
Description: "Opening hours that availableTime cannot say; they come before it."
Context: HealthcareService
* value[x] 1..1
* value[x] only string
