Extension: ReferralGroundExtension
Id: referral-ground
Title: "Referral ground"
Description: "Why the sender may refer."
Context: ServiceRequest
* value[x] 1..1
* value[x] only code
* valueCode from ReferralGround (required)
