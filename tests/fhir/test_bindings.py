"""The codes of required bindings are those of R4."""

import pytest

from referral.fhir.structure import structure_of_type

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
