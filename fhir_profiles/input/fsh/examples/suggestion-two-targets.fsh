Instance: suggestion-two-targets
InstanceOf: Suggestion
Usage: #example
Title: "Suggested targets"
Description: "Two targets and one that is ruled out."
* parameter[suggestion][0].name = "suggestion"
* parameter[suggestion][0].part[target].name = "target"
* parameter[suggestion][0].part[target].valueReference = Reference(Organization/valley-hospital) "Bệnh viện Thung Lũng"
* parameter[suggestion][0].part[service].name = "service"
* parameter[suggestion][0].part[service].valueReference = Reference(HealthcareService/service-eyes)
* parameter[suggestion][0].part[cost].name = "cost"
* parameter[suggestion][0].part[cost].valueQuantity = 15.5 'min' "min"
* parameter[suggestion][0].part[term][0].name = "term"
* parameter[suggestion][0].part[term][0].part[0].name = "code"
* parameter[suggestion][0].part[term][0].part[0].valueCode = #travel
* parameter[suggestion][0].part[term][0].part[1].name = "minutes"
* parameter[suggestion][0].part[term][0].part[1].valueDecimal = 15.5
* parameter[suggestion][0].part[term][0].part[2].name = "text"
* parameter[suggestion][0].part[term][0].part[2].valueString = "by road, estimated"
* parameter[suggestion][0].part[term][1].name = "term"
* parameter[suggestion][0].part[term][1].part[0].name = "code"
* parameter[suggestion][0].part[term][1].part[0].valueCode = #level
* parameter[suggestion][0].part[term][1].part[1].name = "minutes"
* parameter[suggestion][0].part[term][1].part[1].valueDecimal = 0.0
* parameter[suggestion][0].part[term][1].part[2].name = "text"
* parameter[suggestion][0].part[term][1].part[2].valueString = "no level higher than needed"
* parameter[suggestion][1].name = "suggestion"
* parameter[suggestion][1].part[target].name = "target"
* parameter[suggestion][1].part[target].valueReference = Reference(Organization/hospital)
* parameter[suggestion][1].part[cost].name = "cost"
* parameter[suggestion][1].part[cost].valueQuantity = 35.5 'min' "min"
* parameter[suggestion][1].part[term][0].name = "term"
* parameter[suggestion][1].part[term][0].part[0].name = "code"
* parameter[suggestion][1].part[term][0].part[0].valueCode = #travel
* parameter[suggestion][1].part[term][0].part[1].name = "minutes"
* parameter[suggestion][1].part[term][0].part[1].valueDecimal = 35.5
* parameter[suggestion][1].part[term][0].part[2].name = "text"
* parameter[suggestion][1].part[term][0].part[2].valueString = "by ferry"
* parameter[excluded][0].name = "excluded"
* parameter[excluded][0].part[0].name = "target"
* parameter[excluded][0].part[0].valueReference = Reference(Organization/station)
* parameter[excluded][0].part[1].name = "rule"
* parameter[excluded][0].part[1].valueCode = #capability
* parameter[excluded][0].part[2].name = "text"
* parameter[excluded][0].part[2].valueString = "lacks the technique T1"
