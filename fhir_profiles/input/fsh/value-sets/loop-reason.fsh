ValueSet: LoopReasonValueSet
Id: loop-reason
Title: "Loop reason"
Description: "Loop reason of a journey."
* ^experimental = false
* include codes from system LoopReasonCodeSystem
