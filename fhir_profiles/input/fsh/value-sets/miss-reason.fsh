ValueSet: MissReason
Id: miss-reason
Title: "Miss reason"
Description: "Why an expected patient is not there."
* ^experimental = false
* include codes from system $miss-reason
