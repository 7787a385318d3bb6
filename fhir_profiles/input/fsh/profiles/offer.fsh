Profile: Offer
Parent: Task
Id: offer
Title: "Offer"
Description: "A referral put to one facility. At most one offer of a referral is open at a time; the old ones stay. A move of the sender or the receiver is an update of its status, its businessStatus or both. Where a code of ours stands without its system in businessStatus, statusReason, input.type or output.type, the hub understands it and writes the system; this profile describes the full form."
* identifier ^short = "Identifiers that the systems of both parties gave it"
* basedOn ^short = "What the sender says; the referral is in focus"
* groupIdentifier MS
* groupIdentifier ^short = "The number of the referral, on all its offers; the hub writes it"
* status MS
* status from OfferTaskStatus (required)
* statusReason MS
* statusReason from StatusReason (extensible)
* statusReason ^short = "Why it is asked, rejected, passed on, withdrawn, missed or stopped; the text is required"
* businessStatus MS
* businessStatus from OfferStatus (required)
* intent MS
* intent = #order
* code 1..1 MS
* code = $task-code#fulfill
* focus 1..1 MS
* focus only Reference(ServiceRequest)
* focus ^short = "The referral"
* for MS
* for only Reference(Patient)
* requester ^short = "The sender; the hub writes it"
* owner 1..1 MS
* owner ^short = "The facility that is asked, or a service or role of it"
* owner only Reference(Organization or HealthcareService or Practitioner or PractitionerRole)
* input ^slicing.discriminator.type = #pattern
* input ^slicing.discriminator.path = "type"
* input ^slicing.rules = #open
* input contains
    means 0..* and
    escort 0..* and
    eta 0..*
* input[means].type = $task-input#means
* input[means].value[x] only CodeableConcept or string
* input[escort].type = $task-input#escort
* input[escort].value[x] only string
* input[eta].type = $task-input#eta
* input[eta].value[x] only dateTime
* output MS
* output ^slicing.discriminator.type = #pattern
* output ^slicing.discriminator.path = "type"
* output ^slicing.rules = #open
* output contains
    outcome 0..* MS and
    disposition 0..* MS and
    summary 0..* MS and
    preliminary 0..* and
    target 0..* and
    appointment 0..* and
    place 0..*
* output[outcome].type = $task-output#outcome
* output[outcome].value[x] only CodeableConcept
* output[outcome].valueCodeableConcept from Outcome (required)
* output[disposition].type = $task-output#disposition
* output[disposition].value[x] only CodeableConcept
* output[disposition].valueCodeableConcept from Disposition (required)
* output[summary].type = $task-output#summary
* output[summary].value[x] only Reference(DocumentReference or Composition)
* output[preliminary].type = $task-output#preliminary
* output[preliminary].value[x] only Reference
* output[target].type = $task-output#target
* output[target].value[x] only Reference(Organization or HealthcareService or Practitioner or PractitionerRole)
* output[appointment].type = $task-output#appointment
* output[appointment].value[x] only Reference(Appointment or Slot)
* output[place].type = $task-output#place
* output[place].value[x] only string
* obeys off-1 and off-2 and off-3 and off-4

Invariant: off-1
Description: "Each businessStatus goes with one status, and an offer marked in error has none."
Severity: #error
Expression: "businessStatus.exists() implies (status & '/' & businessStatus.coding.code.first()) in ('requested/requested' | 'received/received' | 'received/awaiting-information' | 'accepted/accepted' | 'accepted/visit-scheduled' | 'accepted/in-transit' | 'accepted/no-show' | 'in-progress/arrived' | 'completed/completed' | 'completed/closed' | 'rejected/rejected' | 'rejected/referred-onward' | 'cancelled/withdrawn' | 'cancelled/lapsed' | 'failed/stopped')"

Invariant: off-2
Description: "Who rejects, passes on, withdraws or stops says why in words, and so does who asks or reports a no-show."
Severity: #error
Expression: "(status in ('rejected' | 'failed') or (status = 'cancelled' and businessStatus.coding.where(code = 'lapsed').empty()) or businessStatus.coding.where(code in ('awaiting-information' | 'no-show')).exists()) implies statusReason.text.exists()"

Invariant: off-3
Description: "What is completed has its outcome and disposition; after a referral down a note stands for both."
Severity: #error
Expression: "status = 'completed' implies (note.exists() or (output.where(type.coding.where(code = 'outcome').exists()).exists() and output.where(type.coding.where(code = 'disposition').exists()).exists()))"

Invariant: off-4
Description: "What is completed has a summary; a note stands for it when the patient died or absconded, or came down."
Severity: #error
Expression: "status = 'completed' implies (note.exists() or output.where(type.coding.where(code = 'summary').exists()).exists())"
