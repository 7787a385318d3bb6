CodeSystem: TaskInputCodeSystem
Id: task-input
Title: "Task input"
Description: "What an input of an offer is: Task.input.type."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #means "Means" "By what means the patient travels."
* #escort "Escort" "Who goes with the patient."
* #eta "Expected arrival" "When the patient is expected to arrive."
