Extension: DirectionExtension
Id: direction
Title: "Direction"
Description: "Which way the referral moves the patient. The hub writes it where the sender did not."
Context: ServiceRequest
* value[x] 1..1
* value[x] only code
* valueCode from Direction (required)
