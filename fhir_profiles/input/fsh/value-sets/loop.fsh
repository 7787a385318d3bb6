ValueSet: LoopValueSet
Id: loop
Title: "Loop"
Description: "Loop of a journey."
* ^experimental = false
* include codes from system LoopCodeSystem
