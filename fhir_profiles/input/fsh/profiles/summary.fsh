Profile: Summary
Parent: DocumentReference
Id: summary
Title: "Summary"
Description: "What comes back to the sender when care ends: the output summary of an offer. It is about the patient of the referral."
* status MS
* type MS
* type ^short = "Such as LOINC 18842-5, discharge summary"
* subject 1..1 MS
* subject only Reference(Patient)
* content MS
* content.attachment MS
* content.attachment.contentType 1..1 MS
* content.attachment obeys sum-1

Invariant: sum-1
Description: "The document itself is there: as data or at a url."
Severity: #error
Expression: "data.exists() or url.exists()"
