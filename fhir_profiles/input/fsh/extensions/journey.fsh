Extension: JourneyExtension
Id: journey
Title: "Journey"
Description: "The number of the first referral of the journey that this one belongs to. The hub writes it."
Context: ServiceRequest
* value[x] 1..1
* value[x] only Identifier
