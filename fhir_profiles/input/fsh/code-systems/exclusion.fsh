CodeSystem: ExclusionCodeSystem
Id: exclusion
Title: "Exclusion"
Description: "Why a facility is ruled out as a target; the first that applies."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #inactive "Inactive" "It is closed, or no member of the network."
* #policy "Policy" "The policy of the network does not allow the pair."
* #capability "Capability" "It lacks the service or technique."
* #patient "Patient" "It does not take patients of this age or sex."
* #hours "Hours" "It is closed at the time."
* #capacity "Capacity" "It takes nobody now."
* #rejected "Rejected" "It has declined this referral already."
* #distance "Distance" "It is too far for the priority."
* #unreachable "Unreachable" "No way leads there."
