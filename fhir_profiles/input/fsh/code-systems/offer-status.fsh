CodeSystem: OfferStatusCodeSystem
Id: offer-status
Title: "Offer status"
Description: "Where an offer, a referral put to one facility, stands: Task.businessStatus."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #requested "Requested" "Put to the facility, which has not looked yet."
* #received "Received" "The facility has seen it."
* #awaiting-information "Awaiting information" "The facility has asked the sender something before it decides."
* #accepted "Accepted" "The facility takes the patient."
* #visit-scheduled "Visit scheduled" "The patient has an appointment."
* #in-transit "In transit" "The patient is on the way."
* #no-show "No show" "The patient was expected and did not come."
* #arrived "Arrived" "The patient is at the facility."
* #completed "Completed" "Care at the facility has ended; outcome, disposition and summary are there."
* #closed "Closed" "The sender has taken note of what came back."
* #rejected "Rejected" "The facility does not take the patient."
* #referred-onward "Referred onward" "The facility has passed the referral on to another one, which has an offer of its own."
* #withdrawn "Withdrawn" "The sender has taken the offer back."
* #lapsed "Lapsed" "The referral slip ran out of its validity."
* #stopped "Stopped" "Care was broken off."
