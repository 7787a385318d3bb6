ValueSet: CapacityStatus
Id: capacity-status
Title: "Capacity status"
Description: "What a service can take now."
* ^experimental = false
* include codes from system $capacity-status
