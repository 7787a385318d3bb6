CodeSystem: PartyCodeSystem
Id: party
Title: "Party"
Description: "Who makes a move: Provenance.agent.role."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #sender "Sender" "The facility that sends the patient."
* #receiver "Receiver" "The facility that is asked."
* #office "Office" "The office of the network."
* #system "System" "The clock."
* #member "Member" "Any facility of the network."
