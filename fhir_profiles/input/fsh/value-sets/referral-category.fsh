ValueSet: ReferralCategory
Id: referral-category
Title: "Referral category"
Description: "The categories that make a ServiceRequest a referral."
* ^experimental = false
* $sct#3457005
* $referral-kind#referral
