"""Which items of a package a referral brings."""

from typing import Any

import pytest

from referral.domain.policy_rules import Item
from referral.fhir.package_items import codes_of, items_there

LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


@pytest.mark.parametrize(
    ("kind", "content", "item"),
    [
        ("Condition", {}, Item.DIAGNOSIS),
        ("Procedure", {}, Item.TREATMENT_GIVEN),
        ("MedicationRequest", {}, Item.TREATMENT_GIVEN),
        ("Consent", {}, Item.CONSENT),
        ("RelatedPerson", {}, Item.LEGAL_REPRESENTATIVE),
        ("Observation", {"category": [coded(CATEGORY, "vital-signs")]}, Item.VITAL_SIGNS),
        ("Observation", {"code": coded(LOINC, "8867-4")}, Item.VITAL_SIGNS),
        ("Observation", {"code": coded(LOINC, "718-7")}, None),
        ("DocumentReference", {"type": coded(LOINC, "59284-0")}, Item.CONSENT),
        ("DocumentReference", {"type": coded(LOINC, "18842-5")}, None),
        ("Encounter", {"type": [coded(LOINC, "59284-0")]}, None),
    ],
)
def test_what_a_resource_is(kind: str, content: dict[str, Any], item: Item | None) -> None:
    codes = codes_of(content) if kind != "Encounter" else ()
    assert items_there({}, [(kind, codes)]) == ({item} if item else set())


def test_a_reason_in_the_referral_is_a_diagnosis() -> None:
    assert items_there({"reasonCode": [{"text": "Cataract"}]}, []) == {Item.DIAGNOSIS}
