Instance: everything
InstanceOf: OperationDefinition
Usage: #definition
Title: "Everything of a referral"
Description: "The referral and its package, in one answer."
* url = "http://referral.example/fhir/OperationDefinition/everything"
* version = "0.1.0"
* name = "Everything"
* title = "Everything of a referral"
* status = #active
* kind = #operation
* date = "2026-11-22"
* publisher = "The referral project"
* description = "The referral first, then its package: the patient, and what supportingInfo, reasonReference and insurance name, with what those are made of. Only what the caller sees; in pages. It changes nothing."
* affectsState = false
* code = #everything
* resource = #ServiceRequest
* system = false
* type = false
* instance = true
* parameter[+].name = #_count
* parameter[=].use = #in
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "How many resources a page has: 50 when absent, 200 at most."
* parameter[=].type = #integer
* parameter[+].name = #return
* parameter[=].use = #out
* parameter[=].min = 1
* parameter[=].max = "1"
* parameter[=].documentation = "A searchset: the referral with the mode match, its package with the mode include."
* parameter[=].type = #Bundle
