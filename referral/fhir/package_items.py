"""Which of the items that a policy may require a referral brings: what it says, and what it names itself."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from referral.domain.policy_rules import LOINC, Item
from referral.fhir.elements import codings

Codes = Collection[tuple[str, str]]
"""System and code, of category, code and type of a resource."""

CODED: Final = frozenset({"DocumentReference", "Observation"})
"""Types that are one item or another by their codes."""

_BY_TYPE: Final[Mapping[str, Item]] = {
    "CarePlan": Item.TREATMENT_GIVEN,
    "Condition": Item.DIAGNOSIS,
    "Consent": Item.CONSENT,
    "MedicationRequest": Item.TREATMENT_GIVEN,
    "MedicationStatement": Item.TREATMENT_GIVEN,
    "Procedure": Item.TREATMENT_GIVEN,
    "RelatedPerson": Item.LEGAL_REPRESENTATIVE,
}
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
# https://hl7.org/fhir/R4/observation-vitalsigns.html, and the documents that have them (LOINC).
_VITAL_SIGNS: Final = frozenset(
    (LOINC, code)
    for code in (
        *("85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7"),
        *("39156-5", "85354-9", "8480-6", "8462-4", "8716-3"),
    )
) | {(_CATEGORY, "vital-signs")}
_BY_CODE: Final[Mapping[Item, frozenset[tuple[str, str]]]] = {
    Item.VITAL_SIGNS: _VITAL_SIGNS,
    Item.CONSENT: frozenset({(LOINC, "59284-0"), (LOINC, "64292-6")}),
}


def items_there(request: Mapping[str, Any], named: Iterable[tuple[str, Codes]]) -> frozenset[Item]:
    """The items of a referral. named: type and codes of each resource that it names itself."""
    found = {Item.DIAGNOSIS} if request.get("reasonCode") else set()
    for kind, codes in named:
        if kind in _BY_TYPE:
            found.add(_BY_TYPE[kind])
        if kind in CODED:
            found |= {item for item, known in _BY_CODE.items() if not known.isdisjoint(codes)}
    return frozenset(found)


def codes_of(content: Mapping[str, Any]) -> Codes:
    """The codes of a resource that say what it is."""
    concepts: list[object] = [content.get("code"), content.get("type"), *content.get("category", ())]
    return {(system or "", code) for concept in concepts for system, code in codings(concept)}


def missing_text(missing: Iterable[Item]) -> str:
    """What a sender is told: that it goes all the same."""
    return f"The package lacks what the network asks for: {', '.join(missing)}. It is sent all the same."
