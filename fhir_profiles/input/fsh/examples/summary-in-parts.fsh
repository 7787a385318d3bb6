Instance: summary-in-parts
InstanceOf: ReferralSummary
Usage: #example
Title: "A summary in its parts"
Description: "After an operation; the station goes on."
* status = #final
* type = $loinc#18842-5 "Discharge summary"
* subject = Reference(example-patient)
* date = "2026-03-04T10:00:00+07:00"
* author = Reference(Organization/valley-hospital)
* title = "Summary for the station"
* section[0].title = "Diagnosis"
* section[0].code = $summary-section#diagnosis
* section[0].text.status = #additional
* section[0].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Cataract of the right eye (H25.9).</div>"
* section[1].title = "What was done"
* section[1].code = $summary-section#done
* section[1].text.status = #additional
* section[1].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Lens replaced on 2 March, without complications.</div>"
* section[2].title = "Medicines"
* section[2].code = $summary-section#medicines
* section[2].text.status = #additional
* section[2].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Eye drops four times a day for four weeks.</div>"
* section[3].title = "In the community"
* section[3].code = $summary-section#community
* section[3].text.status = #additional
* section[3].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Watch for pain and redness: then send the patient up again the same day.</div>"
* section[4].title = "Next visit"
* section[4].code = $summary-section#next-visit
* section[4].text.status = #additional
* section[4].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">At the station on 11 March.</div>"
