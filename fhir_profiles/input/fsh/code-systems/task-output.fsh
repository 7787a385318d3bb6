CodeSystem: TaskOutputCodeSystem
Id: task-output
Title: "Task output"
Description: "What an output of an offer is: Task.output.type."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #outcome "Outcome" "How the patient is when care ends."
* #disposition "Disposition" "Where the patient goes when care ends."
* #summary "Summary" "The summary of care."
* #preliminary "Preliminary report" "A report while care goes on."
* #target "Target" "The facility that the referral is passed on to."
* #appointment "Appointment" "The appointment of the patient."
* #place "Place" "Where the patient is to come."
