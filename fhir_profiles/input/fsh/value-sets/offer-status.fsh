ValueSet: OfferStatus
Id: offer-status
Title: "Offer status"
Description: "Where an offer, a referral put to one facility, stands: Task.businessStatus."
* ^experimental = false
* include codes from system $offer-status
