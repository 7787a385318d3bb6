Extension: RecognitionExtension
Id: recognition
Title: "Recognised result"
Description: "The receiver need not repeat this result before a date. The hub computes it when it renders a reference of supportingInfo; it is never stored."
Context: ServiceRequest.supportingInfo
* extension contains
    until 1..1 and
    rule 1..1 and
    basis 0..1
* extension[until] ^short = "The last day"
* extension[until].value[x] 1..1
* extension[until].value[x] only date
* extension[rule] ^short = "The rule of the policy that says so"
* extension[rule].value[x] 1..1
* extension[rule].value[x] only code
* extension[basis] ^short = "The agreement that it rests on"
* extension[basis].value[x] 1..1
* extension[basis].value[x] only Reference(OrganizationAffiliation)
