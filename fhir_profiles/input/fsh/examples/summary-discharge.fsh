Instance: summary-discharge
InstanceOf: Summary
Usage: #example
Title: "A discharge summary"
Description: "As plain text; a PDF goes the same way."
* status = #current
* type = $loinc#18842-5 "Discharge summary"
* subject = Reference(example-patient)
* date = "2026-03-04T10:00:00+07:00"
* author = Reference(Organization/valley-hospital)
* content.attachment.contentType = #text/plain
* content.attachment.data = "TGVucyByZXBsYWNlZC4="
