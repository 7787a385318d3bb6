Instance: due
InstanceOf: SearchParameter
Usage: #definition
Title: "Until when the next step is owed"
Description: "Until when the next step is owed."
* url = "http://referral.example/fhir/SearchParameter/due"
* version = "0.1.0"
* name = "Due"
* status = #active
* date = "2026-11-22"
* publisher = "The referral project"
* description = "When the clock of the next step runs out. Sorted by it, what no clock runs for comes last. Of a Task that is an offer it is told while that offer counts; of a referral always. It looks at no element: the hub keeps it."
* code = #due
* base[+] = #ServiceRequest
* base[+] = #Task
* type = #date
* multipleOr = true
* multipleAnd = true
* comparator[+] = #eq
* comparator[+] = #ne
* comparator[+] = #gt
* comparator[+] = #ge
* comparator[+] = #lt
* comparator[+] = #le
* comparator[+] = #sa
* comparator[+] = #eb
* comparator[+] = #ap
* modifier[+] = #missing
