CodeSystem: OrganizationKindCodeSystem
Id: organization-kind
Title: "Organization kind"
Description: "What an Organization is, beside the types of IHE mCSD."
* ^experimental = false
* ^caseSensitive = true
* ^content = #complete
* #network "Network" "A consortium of facilities under one agreement and one policy."
