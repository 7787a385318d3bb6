CodeSystem: CapacityStatusCodeSystem
Id: capacity-status
Title: "Capacity status"
Description: "What a service can take now."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #capacity "Capacity" "It takes patients."
* #waitlist "Waiting list" "It takes patients after a wait."
* #no-capacity "No capacity" "It takes nobody now."
* #additional-assessment-required "Additional assessment required" "It decides case by case."
