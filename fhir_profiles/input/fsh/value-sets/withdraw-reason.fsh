ValueSet: WithdrawReason
Id: withdraw-reason
Title: "Withdraw reason"
Description: "Why an offer is withdrawn or a referral cancelled."
* ^experimental = false
* include codes from system $withdraw-reason
