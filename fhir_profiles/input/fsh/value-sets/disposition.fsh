ValueSet: Disposition
Id: disposition
Title: "Disposition"
Description: "Where the patient goes when care at the receiver ends."
* ^experimental = false
* include codes from system $disposition
