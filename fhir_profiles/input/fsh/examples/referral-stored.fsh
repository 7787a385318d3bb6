Instance: referral-stored
InstanceOf: Referral
Usage: #example
Title: "A referral, as the hub gives it back"
Description: "With its number, journey and network, and with a result that the receiver need not repeat."
* identifier[number].type = $v2-0203#FILL
* identifier[number].system = $referral-number
* identifier[number].value = "HI000000020"
* extension[direction].valueCode = #up
* extension[journey].valueIdentifier.system = $referral-number
* extension[journey].valueIdentifier.value = "HI000000011"
* extension[network].valueReference = Reference(Organization/hill)
* status = #active
* intent = #order
* category = $sct#3457005
* priority = #routine
* code = $technique#T1
* subject = Reference(example-patient)
* performer = Reference(Organization/valley-hospital)
* supportingInfo = Reference(example-observation)
* supportingInfo.extension[0].url = Canonical(RecognitionExtension)
* supportingInfo.extension[0].extension[0].url = "until"
* supportingInfo.extension[0].extension[0].valueDate = "2026-04-01"
* supportingInfo.extension[0].extension[1].url = "rule"
* supportingInfo.extension[0].extension[1].valueCode = #laboratory-30-days
* supportingInfo.extension[0].extension[2].url = "basis"
* supportingInfo.extension[0].extension[2].valueReference = Reference(affiliation-refers-to)
