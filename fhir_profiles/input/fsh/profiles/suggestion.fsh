Profile: Suggestion
Parent: Parameters
Id: suggestion
Title: "Suggested targets"
Description: "The answer of $suggest-targets: targets in rank order, each with a cost in minutes and the terms that add up to it; on request also who was ruled out, and by which rule."
* parameter ^slicing.discriminator.type = #value
* parameter ^slicing.discriminator.path = "name"
* parameter ^slicing.ordered = true
* parameter ^slicing.rules = #closed
* parameter contains
    suggestion 0..* MS and
    excluded 0..* MS
* parameter[suggestion].name = "suggestion"
* parameter[suggestion].value[x] 0..0
* parameter[suggestion].resource 0..0
* parameter[suggestion].part 3..*
* parameter[suggestion].part ^slicing.discriminator.type = #value
* parameter[suggestion].part ^slicing.discriminator.path = "name"
* parameter[suggestion].part ^slicing.rules = #closed
* parameter[suggestion].part contains
    target 1..1 MS and
    service 0..1 MS and
    cost 1..1 MS and
    term 1..* MS
* parameter[suggestion].part[target].name = "target"
* parameter[suggestion].part[target].value[x] 1..1
* parameter[suggestion].part[target].value[x] only Reference(Organization)
* parameter[suggestion].part[service].name = "service"
* parameter[suggestion].part[service].value[x] 1..1
* parameter[suggestion].part[service].value[x] only Reference(HealthcareService)
* parameter[suggestion].part[cost].name = "cost"
* parameter[suggestion].part[cost].value[x] 1..1
* parameter[suggestion].part[cost].value[x] only Quantity
* parameter[suggestion].part[cost].valueQuantity = $ucum#min
* parameter[suggestion].part[term].name = "term"
* parameter[suggestion].part[term].part 3..3
* parameter[excluded].name = "excluded"
* parameter[excluded].value[x] 0..0
* parameter[excluded].resource 0..0
* parameter[excluded].part 3..3
* obeys sug-1 and sug-2 and sug-3 and sug-4

Invariant: sug-1
Description: "A term has a code of cost-term, minutes and a text."
Severity: #error
Expression: "parameter.where(name = 'suggestion').part.where(name = 'term').all(part.where(name = 'code').value.first() in ('travel' | 'answer' | 'wait' | 'level' | 'insurance' | 'continuity' | 'green-channel' | 'results') and part.where(name = 'minutes').value.exists() and part.where(name = 'text').value.exists())"

Invariant: sug-2
Description: "What is ruled out has its target, a rule of exclusion and a text."
Severity: #error
Expression: "parameter.where(name = 'excluded').all(part.where(name = 'target').value.exists() and part.where(name = 'rule').value.first() in ('inactive' | 'policy' | 'capability' | 'patient' | 'hours' | 'capacity' | 'rejected' | 'distance' | 'unreachable') and part.where(name = 'text').value.exists())"

Invariant: sug-3
Description: "The cost of a target is the sum of its terms."
Severity: #error
Expression: "parameter.where(name = 'suggestion').all(part.where(name = 'cost').value.value.first() = part.where(name = 'term').part.where(name = 'minutes').value.aggregate($this + $total, 0))"

Invariant: sug-4
Description: "The cheapest target comes first."
Severity: #error
Expression: "parameter.where(name = 'suggestion').part.where(name = 'cost').value.value.first() = parameter.where(name = 'suggestion').part.where(name = 'cost').value.value.aggregate(iif($total.empty() or $this < $total, $this, $total))"
