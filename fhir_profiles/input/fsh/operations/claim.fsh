Instance: claim
InstanceOf: OperationDefinition
Usage: #definition
Title: "Claim"
Description: "Takes in a patient who turned up with a referral, by its number and the birth date."
* url = "http://referral.example/fhir/OperationDefinition/claim"
* version = "0.1.0"
* name = "Claim"
* title = "Claim"
* status = #active
* kind = #operation
* date = "2026-11-22"
* publisher = "The referral project"
* description = "Opens an offer to the caller's own facility that has arrived already, and ends an open offer to another as referred onward. Whatever of number and birth date is wrong, it is the same 404; after some of these, 429."
* affectsState = true
* code = #claim
* resource = #ServiceRequest
* system = false
* type = true
* instance = false
* parameter[+].name = #number
* parameter[=].use = #in
* parameter[=].min = 1
* parameter[=].max = "1"
* parameter[=].documentation = "The number of the referral, as the letter has it."
* parameter[=].type = #string
* parameter[+].name = #birthDate
* parameter[=].use = #in
* parameter[=].min = 1
* parameter[=].max = "1"
* parameter[=].documentation = "When the patient was born, as far as the sender has it: a day, or a month or a year of whom no more is known."
* parameter[=].type = #date
* parameter[+].name = #return
* parameter[=].use = #out
* parameter[=].min = 1
* parameter[=].max = "1"
* parameter[=].documentation = "The offer to the caller's facility, arrived."
* parameter[=].type = #Task
