Instance: escalated
InstanceOf: SearchParameter
Usage: #definition
Title: "Whether the office was told"
Description: "Whether the office was told."
* url = "http://referral.example/fhir/SearchParameter/escalated"
* version = "0.1.0"
* name = "Escalated"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "true where twice the time for the next step is over, and the office of the network was told. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #escalated
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #token
* multipleOr = true
* multipleAnd = true
* modifier[+] = #missing
* modifier[+] = #not
