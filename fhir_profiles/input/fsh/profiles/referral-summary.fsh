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
* section ^short = "One of each code of summary-section, in any order; others beside them"
* section.code MS
* obeys sum-2

Invariant: sum-2
Description: "There is one section for each: diagnosis, what was done, medicines, what the community should do and watch, next visit."
Severity: #error
Expression: "section.code.coding.where(system = 'http://referral.example/fhir/CodeSystem/summary-section' and code = 'diagnosis').count() = 1 and section.code.coding.where(system = 'http://referral.example/fhir/CodeSystem/summary-section' and code = 'done').count() = 1 and section.code.coding.where(system = 'http://referral.example/fhir/CodeSystem/summary-section' and code = 'medicines').count() = 1 and section.code.coding.where(system = 'http://referral.example/fhir/CodeSystem/summary-section' and code = 'community').count() = 1 and section.code.coding.where(system = 'http://referral.example/fhir/CodeSystem/summary-section' and code = 'next-visit').count() = 1"
