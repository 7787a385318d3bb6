ValueSet: StatusReason
Id: status-reason
Title: "Reason"
Description: "Why an offer was rejected, passed on or withdrawn."
* ^experimental = false
* include codes from system $reject-reason
* include codes from system $withdraw-reason
