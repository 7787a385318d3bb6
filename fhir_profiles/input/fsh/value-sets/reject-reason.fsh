ValueSet: RejectReason
Id: reject-reason
Title: "Reject reason"
Description: "Why a receiver does not take an offer."
* ^experimental = false
* include codes from system $reject-reason
