ValueSet: ReferralStatus
Id: referral-status
Title: "Referral status"
Description: "The statuses of a ServiceRequest that a referral has."
* ^experimental = false
* $request-status#draft
* $request-status#active
* $request-status#revoked
* $request-status#completed
* $request-status#entered-in-error
