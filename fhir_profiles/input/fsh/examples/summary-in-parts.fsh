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
* section[diagnosis].title = "Diagnosis"
* section[diagnosis].code = $summary-section#diagnosis
* section[diagnosis].text.status = #additional
* section[diagnosis].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Cataract of the right eye (H25.9).</div>"
* section[done].title = "What was done"
* section[done].code = $summary-section#done
* section[done].text.status = #additional
* section[done].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Lens replaced on 2 March, without complications.</div>"
* section[medicines].title = "Medicines"
* section[medicines].code = $summary-section#medicines
* section[medicines].text.status = #additional
* section[medicines].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Eye drops four times a day for four weeks.</div>"
* section[community].title = "In the community"
* section[community].code = $summary-section#community
* section[community].text.status = #additional
* section[community].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">Watch for pain and redness: then send the patient up again the same day.</div>"
* section[next-visit].title = "Next visit"
* section[next-visit].code = $summary-section#next-visit
* section[next-visit].text.status = #additional
* section[next-visit].text.div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">At the station on 11 March.</div>"
