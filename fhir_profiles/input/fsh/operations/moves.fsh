Instance: moves
InstanceOf: OperationDefinition
Usage: #definition
Title: "Moves"
Description: "What the caller may do now with a referral or an offer, and who owes the next step."
* url = "http://referral.example/fhir/OperationDefinition/moves"
* version = "0.1.0"
* name = "Moves"
* title = "Moves"
* status = #active
* kind = #operation
* date = "2026-11-22"
* publisher = "The referral project"
* description = "Each move that the caller may make now, with the party that the caller is by it, the state that it leads to and what it needs; and the party that owes the next step. What is listed is what an update would be allowed to do. It changes nothing."
* affectsState = false
* code = #moves
* resource[+] = #ServiceRequest
* resource[+] = #Task
* system = false
* type = false
* instance = true
* parameter[+].name = #move
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "*"
* parameter[=].documentation = "A move that the caller may make now."
* parameter[=].part[+].name = #code
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The word of the move."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #party
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The party that the caller is by it: sender, receiver, office or member."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #to
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The state that it leads to; the present one where it changes none."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #needs
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "What must come with it."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #reason
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "A code that its reason may have, beside the text that it needs."
* parameter[=].part[=].type = #Coding
* parameter[=].part[+].name = #missing
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "What the package of the referral should hold and does not."
* parameter[=].part[=].type = #code
* parameter[+].name = #owes
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "The party that owes the next step; absent where nobody does."
* parameter[=].type = #code
* parameter[+].name = #due
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "Until when; absent where no clock runs."
* parameter[=].type = #dateTime
* parameter[+].name = #form
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "1"
* parameter[=].documentation = "The paper form of the transfer, by the levels of sender and target; absent where these are not known, or the network names no form for it."
* parameter[=].part[+].name = #code
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "Its name in the network, such as 1a."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #source
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "Where the rule is from."
* parameter[=].part[=].type = #string
* parameter[+].name = #advice
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "*"
* parameter[=].documentation = "What the lists of the network say of the referral, to the sender before it is sent and to the receiver; it stops nobody."
* parameter[=].part[+].name = #code
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "What it is about: notifiable, up-criterion, no-up-criterion or down-criterion."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #text
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The same in words."
* parameter[=].part[=].type = #string
* parameter[=].part[+].name = #source
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "Where the list is from."
* parameter[=].part[=].type = #string
