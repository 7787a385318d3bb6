Extension: CapacityExtension
Id: capacity
Title: "Capacity"
Description: "What the service can take now."
Context: HealthcareService
* extension contains
    status 1..1 and
    free 0..1 and
    asOf 0..1
* extension[status] ^short = "Whether it takes patients"
* extension[status].value[x] 1..1
* extension[status].value[x] only code
* extension[status].valueCode from CapacityStatus (required)
* extension[free] ^short = "Free places"
* extension[free].value[x] 1..1
* extension[free].value[x] only integer
* extension[asOf] ^short = "When this was so"
* extension[asOf].value[x] 1..1
* extension[asOf].value[x] only dateTime
* obeys cap-1

Invariant: cap-1
Description: "Free places cannot be fewer than none."
Severity: #error
Expression: "extension.where(url = 'free').value.all($this >= 0)"
