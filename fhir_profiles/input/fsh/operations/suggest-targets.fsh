Instance: suggest-targets
InstanceOf: OperationDefinition
Usage: #definition
Title: "Suggest targets"
Description: "Ranks the facilities that can take a patient, with the reasons in minutes."
* url = "http://referral.example/fhir/OperationDefinition/suggest-targets"
* version = "0.1.0"
* name = "SuggestTargets"
* title = "Suggest targets"
* status = #active
* kind = #operation
* date = "2026-11-22"
* publisher = "The referral project"
* description = "Ranks the facilities that can take a patient, with the reasons in minutes that add up to the cost of each; on request also who is ruled out, and why. On the type it is asked about the serviceRequest that is sent, which may lack status, intent and subject; on an instance about a stored referral. It changes nothing."
* affectsState = false
* code = #suggest-targets
* resource = #ServiceRequest
* system = false
* type = true
* instance = true
* outputProfile = Canonical(Suggestion)
* parameter[+].name = #serviceRequest
* parameter[=].use = #in
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "The request, on the type alone, where it is required; a draft is enough. Its code, performerType, priority, direction and subject count."
* parameter[=].type = #ServiceRequest
* parameter[+].name = #count
* parameter[=].use = #in
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "How many targets at most: 10 when absent, 100 at most."
* parameter[=].type = #positiveInt
* parameter[+].name = #excluded
* parameter[=].use = #in
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "Whether to name who is ruled out, too."
* parameter[=].type = #boolean
* parameter[+].name = #suggestion
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "*"
* parameter[=].documentation = "A target, the best first."
* parameter[=].part[+].name = #target
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The facility."
* parameter[=].part[=].type = #Reference
* parameter[=].part[=].targetProfile = Canonical(Facility)
* parameter[=].part[+].name = #service
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The service that is meant."
* parameter[=].part[=].type = #Reference
* parameter[=].part[=].targetProfile = Canonical(FacilityService)
* parameter[=].part[+].name = #cost
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "Minutes (UCUM min): the sum of the terms."
* parameter[=].part[=].type = #Quantity
* parameter[=].part[+].name = #term
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "One reason."
* parameter[=].part[=].part[+].name = #code
* parameter[=].part[=].part[=].use = #out
* parameter[=].part[=].part[=].min = 1
* parameter[=].part[=].part[=].max = "1"
* parameter[=].part[=].part[=].documentation = "What the term stands for."
* parameter[=].part[=].part[=].type = #code
* parameter[=].part[=].part[=].binding.strength = #required
* parameter[=].part[=].part[=].binding.valueSet = Canonical(CostTerm)
* parameter[=].part[=].part[+].name = #minutes
* parameter[=].part[=].part[=].use = #out
* parameter[=].part[=].part[=].min = 1
* parameter[=].part[=].part[=].max = "1"
* parameter[=].part[=].part[=].documentation = "Its minutes."
* parameter[=].part[=].part[=].type = #decimal
* parameter[=].part[=].part[+].name = #text
* parameter[=].part[=].part[=].use = #out
* parameter[=].part[=].part[=].min = 1
* parameter[=].part[=].part[=].max = "1"
* parameter[=].part[=].part[=].documentation = "For a person."
* parameter[=].part[=].part[=].type = #string
* parameter[+].name = #excluded
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "*"
* parameter[=].documentation = "A facility that is ruled out."
* parameter[=].part[+].name = #target
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The facility."
* parameter[=].part[=].type = #Reference
* parameter[=].part[=].targetProfile = Canonical(Facility)
* parameter[=].part[+].name = #rule
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The first rule that rules it out."
* parameter[=].part[=].type = #code
* parameter[=].part[=].binding.strength = #required
* parameter[=].part[=].binding.valueSet = Canonical(Exclusion)
* parameter[=].part[+].name = #text
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "For a person."
* parameter[=].part[=].type = #string
