Instance: waiting-for
InstanceOf: SearchParameter
Usage: #definition
Title: "The facility that owes the next step"
Description: "The facility that owes the next step."
* url = "http://referral.example/fhir/SearchParameter/waiting-for"
* version = "0.1.0"
* name = "WaitingFor"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "The facility that owes the next step of a referral, and the office of the network once that step is escalated. In the order of `due` it is the worklist of that facility. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #waiting-for
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #reference
* target[+] = #Organization
* multipleOr = true
* multipleAnd = true
* modifier[+] = #missing
* modifier[+] = #not
