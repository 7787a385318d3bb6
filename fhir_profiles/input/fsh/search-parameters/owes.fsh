Instance: owes
InstanceOf: SearchParameter
Usage: #definition
Title: "The party that owes the next step"
Description: "The party that owes the next step."
* url = "http://referral.example/fhir/SearchParameter/owes"
* version = "0.1.0"
* name = "Owes"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "The party that owes the next step: sender or receiver; and office, once that step is escalated. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #owes
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #token
* multipleOr = true
* multipleAnd = true
* modifier[+] = #missing
* modifier[+] = #not
