"""Valid resources that the cases change, and what changes them."""

import json
from typing import Any

import pytest

from referral.domain.errors import DomainError
from referral.fhir.content import read_content
from referral.fhir.validation import check_resource

PERIOD = {"start": "2026-01-05", "end": "2026-01"}
EXTENSION = {"url": "http://referral.example/fhir/StructureDefinition/direction", "valueCode": "up"}

TASK: dict[str, Any] = {
    "resourceType": "Task",
    "id": "0192",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">An offer</div>'},
    "contained": [
        {
            "resourceType": "Patient",
            "id": "p",
            "name": [{"given": ["An", None], "_given": [None, {"extension": [EXTENSION]}]}],
        }
    ],
    "extension": [EXTENSION],
    "status": "requested",
    "intent": "order",
    "priority": "urgent",
    "for": {"reference": "#p"},
    "focus": {"reference": "ServiceRequest/1"},
    "authoredOn": "2026-01-02T08:00:00+07:00",
    "executionPeriod": PERIOD,
    "input": [{"type": {"coding": [{"code": "eta"}]}, "valueDateTime": "2026-01-02"}],
    "restriction": {"repetitions": 1},
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "Temperature"},
    "issued": "2026-01-02T08:00:00.000Z",
    "valueQuantity": {"value": 37, "comparator": "<"},
}
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "subject": {"display": "A person"},
}
ABOUT_OUTER = {"subject": [{"reference": "#"}]}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "gender": "female",
    "birthDate": "1970-05",
    "name": [{"use": "official", "text": "Trần Thị B", "given": ["B"]}],
    "photo": [{"contentType": "image/png", "data": "iVBORw0KGgo="}],
}
WHOLE = {content["resourceType"]: content for content in (TASK, OBSERVATION, CONDITION, PATIENT)}

AS_TASK = {"method": "POST", "url": "Task"}

ABSENT = object()


def fresh(value: Any) -> Any:
    """A copy that shares nothing, not even with itself."""
    return json.loads(json.dumps(value))


def changed(start: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a resource with the value at `a/0/b` set, or taken away."""
    content = fresh(start)
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    holder: Any = content
    for step in steps:
        holder = holder[step]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return read_content(json.dumps(content).encode())


def refusal(content: dict[str, Any], resource_type: str | None = None) -> DomainError:
    with pytest.raises(DomainError) as refused:
        check_resource(resource_type or content["resourceType"], content)
    return refused.value
