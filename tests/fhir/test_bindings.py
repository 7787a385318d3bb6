"""The codes of required bindings are those of R4."""

import json
from importlib.resources import files

import pytest

from referral.fhir.bindings import binding_of
from referral.fhir.resources import STORED
from referral.fhir.structure import structure_of_type
from tests.fhir.reached_types import SENT, reached

# https://hl7.org/fhir/R4/valueset-request-status.html and its neighbours, written down once more.
REQUIRED_CODES = {
    "ServiceRequest.status": "draft active on-hold revoked completed entered-in-error unknown",
    "ServiceRequest.intent": "proposal plan directive order original-order reflex-order filler-order"
    " instance-order option",
    "ServiceRequest.priority": "routine urgent asap stat",
    "Task.status": "draft requested received accepted rejected ready cancelled in-progress on-hold failed"
    " completed entered-in-error",
    "Task.intent": "unknown proposal plan order original-order reflex-order filler-order instance-order"
    " option",
    "Task.priority": "routine urgent asap stat",
    "Communication.status": "preparation in-progress not-done on-hold stopped completed entered-in-error"
    " unknown",
    "Communication.priority": "routine urgent asap stat",
    "Observation.status": "registered preliminary final amended corrected cancelled entered-in-error unknown",
    "DocumentReference.status": "current superseded entered-in-error",
    "DocumentReference.docStatus": "preliminary final amended entered-in-error",
    "Patient.gender": "male female other unknown",
    "Practitioner.gender": "male female other unknown",
    "Location.status": "active suspended inactive",
    "Location.mode": "instance kind",
}


@pytest.mark.parametrize("element", REQUIRED_CODES)
def test_required_codes_are_those_of_r4(element: str) -> None:
    resource_type, name = element.split(".")
    structure = structure_of_type(resource_type)
    assert structure is not None
    assert structure.elements[name].codes == frozenset(REQUIRED_CODES[element].split())


def test_every_required_binding_is_asked() -> None:
    """By the elements that the official definitions name; UCUM and LOINC are not listed there."""
    rules = json.loads(files("referral.fhir").joinpath("r4_rules.json").read_bytes())
    found = {model: structure for name in STORED | SENT for model, structure in reached(name)}
    unasked = set()
    for where, value_set in rules["bindings"].items():
        model, _, segment = where.partition(".")
        if model in found:
            held = [
                one for one in found[model].elements.values() if one.segment == segment and not one.choice
            ]
            asked = [one for one in held if one.binding is not None and one.binding.value_set == value_set]
            unasked |= set() if len(asked) == 1 else {where}
    assert len(found) > 50
    assert unasked <= {"CapabilityStatement.format", "CapabilityStatement.patchFormat"}


@pytest.mark.parametrize(
    ("value_set", "inside", "outside"),
    [
        ("mimetypes", "application/dicom; variant=DICOM STOW-RS", "pdf"),
        ("mimetypes", "application/fhir+json", "application/"),
        ("currencies", "VND", "dong"),
    ],
)
def test_codes_that_r4_does_not_list_have_a_form(value_set: str, inside: str, outside: str) -> None:
    binding = {"mimetypes": binding_of("Attachment.contentType"), "currencies": binding_of("Money.currency")}
    asked = binding[value_set]
    assert asked is not None
    assert inside in asked.codes
    assert outside not in asked.codes
    assert str(asked) == f"of the value set http://hl7.org/fhir/ValueSet/{value_set}"


def test_a_concept_is_bound_to_codes_of_one_system() -> None:
    binding = binding_of("AllergyIntolerance.clinicalStatus")
    assert binding is not None
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    assert binding.has(system, "resolved")
    assert not binding.has(system, "remission")
    assert not binding.has(None, "active")
    assert str(binding) == "one of: active, inactive, resolved"
