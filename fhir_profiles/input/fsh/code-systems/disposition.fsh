CodeSystem: DispositionCodeSystem
Id: disposition
Title: "Disposition"
Description: "Where the patient goes when care at the receiver ends."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #discharged "Discharged" "Home, with nothing more to do."
* #returned-to-referrer "Returned to referrer" "Back to the sender, with a referral down."
* #moved-on "Moved on" "To another facility, with a new referral based on this one."
* #left-on-request "Left on request" "Home at the patient's own request."
* #absconded "Absconded" "Gone without telling."
* #died "Died" "Died at the receiver."
