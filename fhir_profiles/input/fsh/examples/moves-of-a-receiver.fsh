Instance: moves-of-a-receiver
InstanceOf: Parameters
Usage: #example
Title: "Moves of a receiver"
Description: "Two of the moves of a receiver that has accepted."
* parameter[+].name = "move"
* parameter[=].part[+].name = "code"
* parameter[=].part[=].valueCode = #arrive
* parameter[=].part[+].name = "party"
* parameter[=].part[=].valueCode = #receiver
* parameter[=].part[+].name = "to"
* parameter[=].part[=].valueCode = #arrived
* parameter[+].name = "move"
* parameter[=].part[+].name = "code"
* parameter[=].part[=].valueCode = #reject
* parameter[=].part[+].name = "party"
* parameter[=].part[=].valueCode = #receiver
* parameter[=].part[+].name = "to"
* parameter[=].part[=].valueCode = #rejected
* parameter[=].part[+].name = "needs"
* parameter[=].part[=].valueCode = #reason
* parameter[+].name = "owes"
* parameter[=].valueCode = #receiver
