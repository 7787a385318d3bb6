Profile: Referral
Parent: ServiceRequest
Id: referral
Title: "Referral"
Description: "A request to move the care of a patient to another facility: an order of category referral. The hub owns its status after submit, its number, its journey and its network: what a sender says of these otherwise is replaced, not refused."
* extension contains
    DirectionExtension named direction 0..1 MS and
    ReferralGroundExtension named ground 0..1 MS and
    JourneyExtension named journey 0..1 MS and
    NetworkExtension named network 0..1 MS and
    $request-statusReason named statusReason 0..1 MS
* identifier MS
* identifier ^slicing.discriminator.type = #value
* identifier ^slicing.discriminator.path = "system"
* identifier ^slicing.rules = #open
* identifier contains number 0..1 MS
* identifier[number] ^short = "The number that the hub gave: on the letter, said on the telephone"
* identifier[number].type = $v2-0203#FILL
* identifier[number].system 1..1
* identifier[number].system = $referral-number
* identifier[number].value 1..1
* identifier[number] obeys ref-4
* basedOn ^short = "The referral that this one continues"
* replaces ^short = "The referral that this one stands in for"
* status MS
* status from ReferralStatus (required)
* intent MS
* intent = #order
* category 1..* MS
* priority MS
* priority ^short = "routine (when absent) | urgent | asap | stat; after submit it may only rise"
* code MS
* code ^short = "The technique that the patient needs"
* subject MS
* subject only Reference(Patient)
* requester ^short = "The sender's own facility; the hub goes by the token"
* performerType MS
* performerType ^short = "The specialty that the patient needs"
* performer MS
* performer ^short = "One: offered at once. Several: a shortlist. None: it waits for an offer"
* reasonReference ^short = "Part of the package that the receiver may read"
* supportingInfo MS
* supportingInfo ^short = "Part of the package that the receiver may read"
* insurance ^short = "Part of the package that the receiver may read"
* obeys ref-1 and ref-2 and ref-3

Invariant: ref-1
Description: "One category is SNOMED CT 3457005, or referral of our referral-kind."
Severity: #error
Expression: "category.coding.where((system = 'http://snomed.info/sct' and code = '3457005') or (system = 'http://referral.example/fhir/CodeSystem/referral-kind' and code = 'referral')).exists()"

Invariant: ref-2
Description: "A revoked referral says why, in HL7's extension request-statusReason."
Severity: #error
Expression: "status = 'revoked' implies extension.where(url = 'http://hl7.org/fhir/StructureDefinition/request-statusReason').exists()"

Invariant: ref-3
Description: "What was submitted has its number. The hub gives it, so one that is sent need not have it."
Severity: #warning
Expression: "status = 'draft' or status = 'entered-in-error' or identifier.where(system = 'http://referral.example/fhir/sid/referral-number').exists()"

Invariant: ref-4
Description: "A referral number is two letters, eight digits and a check digit. The hub writes it over what is sent."
Severity: #warning
Expression: "value.matches('^[A-Z]{2}[0-9]{9}$')"
