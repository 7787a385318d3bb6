Instance: overdue
InstanceOf: SearchParameter
Usage: #definition
Title: "Whether the time for the next step is over"
Description: "Whether the time for the next step is over."
* url = "http://referral.example/fhir/SearchParameter/overdue"
* version = "0.1.0"
* name = "Overdue"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "true where the clock of the next step has run out; false where it has not, or none runs. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #overdue
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #token
* multipleOr = true
* multipleAnd = true
* modifier[+] = #missing
* modifier[+] = #not
