Extension: AgeRangeExtension
Id: age-range
Title: "Age range"
Description: "The ages that the service takes, in whole years from 0 to 150; both ends are included."
Context: HealthcareService.eligibility
* value[x] 1..1
* value[x] only Range
* valueRange obeys age-1

Invariant: age-1
Description: "An age is a whole number of years (UCUM code a) from 0 to 150."
Severity: #error
Expression: "(low | high).all((code.empty() or code = 'a') and value >= 0 and value <= 150 and value mod 1 = 0)"
