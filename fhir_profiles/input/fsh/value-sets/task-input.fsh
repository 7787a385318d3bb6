ValueSet: TaskInput
Id: task-input
Title: "Task input"
Description: "What an input of an offer is: Task.input.type."
* ^experimental = false
* include codes from system $task-input
