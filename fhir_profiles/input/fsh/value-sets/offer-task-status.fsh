ValueSet: OfferTaskStatus
Id: offer-task-status
Title: "Status of an offer"
Description: "The statuses of a Task that an offer has."
* ^experimental = false
* $task-status#requested
* $task-status#received
* $task-status#accepted
* $task-status#rejected
* $task-status#in-progress
* $task-status#completed
* $task-status#cancelled
* $task-status#failed
* $task-status#entered-in-error
