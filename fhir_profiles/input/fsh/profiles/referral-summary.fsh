Profile: ReferralSummary
Parent: Composition
Id: referral-summary
Title: "Referral summary"
Description: "What comes back to the sender when care ends, in its parts: the output summary of an offer. It is about the patient of the referral."
* status MS
* type MS
* type ^short = "Such as LOINC 18842-5, discharge summary"
* subject 1..1 MS
* subject only Reference(Patient)
* section 5..* MS
* section ^slicing.discriminator.type = #pattern
* section ^slicing.discriminator.path = "code"
* section ^slicing.rules = #open
* section ^slicing.description = "By what they are about."
* section contains diagnosis 1..1 MS and done 1..1 MS and medicines 1..1 MS and community 1..1 MS and next-visit 1..1 MS
* section[diagnosis].code 1..1
* section[diagnosis].code = $summary-section#diagnosis
* section[done].code 1..1
* section[done].code = $summary-section#done
* section[medicines].code 1..1
* section[medicines].code = $summary-section#medicines
* section[community].code 1..1
* section[community].code = $summary-section#community
* section[next-visit].code 1..1
* section[next-visit].code = $summary-section#next-visit
