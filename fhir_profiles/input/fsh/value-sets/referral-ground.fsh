ValueSet: ReferralGround
Id: referral-ground
Title: "Referral ground"
Description: "Why the sender may refer."
* ^experimental = false
* include codes from system $referral-ground
