Extension: NetworkExtension
Id: network
Title: "Network"
Description: "The network under whose policy the referral is. The hub writes it where the sender did not; it never changes."
Context: ServiceRequest
* value[x] 1..1
* value[x] only Reference(Organization)
