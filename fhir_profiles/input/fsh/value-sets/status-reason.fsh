ValueSet: StatusReason
Id: status-reason
Title: "Reason"
Description: "Why an offer was rejected, passed on or withdrawn, why its patient was missed, or why its referral ended."
* ^experimental = false
* include codes from system $reject-reason
* include codes from system $withdraw-reason
* include codes from system $miss-reason
* include codes from system $end-reason
