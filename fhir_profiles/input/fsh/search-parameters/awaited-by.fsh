Instance: awaited-by
InstanceOf: SearchParameter
Usage: #definition
Title: "The facility that waits for the next step"
Description: "The facility that waits for the next step."
* url = "http://referral.example/fhir/SearchParameter/awaited-by"
* version = "0.1.0"
* name = "AwaitedBy"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "The facility of the other side, which waits for the next step of a referral. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #awaited-by
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #reference
* target[+] = #Organization
* multipleOr = true
* multipleAnd = true
* modifier[+] = #missing
* modifier[+] = #not
