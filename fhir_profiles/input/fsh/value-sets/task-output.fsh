ValueSet: TaskOutput
Id: task-output
Title: "Task output"
Description: "What an output of an offer is: Task.output.type."
* ^experimental = false
* include codes from system $task-output
