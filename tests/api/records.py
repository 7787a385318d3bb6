"""The least that a resource of each clinical type says, and what belongs to it. All people are invented."""

from typing import Any

from referral.fhir.package import subjects
from tests.factories import Resource

_TEXT = {"text": "invented"}
_ACTIVE = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
    ]
}


def reference(where: str) -> Resource:
    return {"reference": where}


def record(resource_type: str, who: str, **more: Any) -> Resource:
    """A valid resource of the type about this Patient."""
    about = reference(f"Patient/{who}")
    needed: dict[str, Resource] = {
        "AllergyIntolerance": {"patient": about, "code": _TEXT, "clinicalStatus": _ACTIVE},
        "Appointment": {
            "status": "booked",
            "start": "2026-04-01T08:00:00+07:00",
            "end": "2026-04-01T08:30:00+07:00",
            "participant": [{"actor": about, "status": "accepted"}],
        },
        "CarePlan": {"status": "active", "intent": "plan", "subject": about},
        "Communication": {"status": "completed", "subject": about},
        "Composition": {
            "status": "final",
            "type": _TEXT,
            "subject": about,
            "date": "2026-04-01",
            "author": [{"display": "Dr Mẫu"}],
            "title": "Summary",
        },
        "Condition": {"subject": about, "code": _TEXT},
        "Consent": {
            "status": "active",
            "scope": _TEXT,
            "category": [_TEXT],
            "patient": about,
            "policyRule": _TEXT,
        },
        "Coverage": {"status": "active", "beneficiary": about, "payor": [{"display": "Insurer"}]},
        "DiagnosticReport": {"status": "final", "code": _TEXT, "subject": about},
        "DocumentReference": {
            "status": "current",
            "subject": about,
            "content": [{"attachment": {"title": "letter"}}],
        },
        "Encounter": {"status": "finished", "class": {"code": "AMB"}, "subject": about},
        "ImagingStudy": {"status": "available", "subject": about},
        "Immunization": {
            "status": "completed",
            "vaccineCode": _TEXT,
            "patient": about,
            "occurrenceDateTime": "2026-02",
        },
        "MeasureReport": {
            "status": "complete",
            "type": "individual",
            "measure": "http://measures.example/one",
            "subject": about,
            "period": {"start": "2026-01"},
        },
        "MedicationRequest": {
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": _TEXT,
            "subject": about,
        },
        "MedicationStatement": {"status": "active", "medicationCodeableConcept": _TEXT, "subject": about},
        "Observation": {"status": "final", "code": _TEXT, "subject": about},
        "Procedure": {"status": "completed", "subject": about},
        "Provenance": {
            "target": [about],
            "recorded": "2026-04-01T08:00:00Z",
            "agent": [{"who": {"display": "Dr Mẫu"}}],
        },
        "QuestionnaireResponse": {"status": "completed", "subject": about},
        "RelatedPerson": {"patient": about},
        "ServiceRequest": {"status": "active", "intent": "order", "code": _TEXT, "subject": about},
        "Specimen": {"subject": about},
        "Task": {"status": "requested", "intent": "plan", "for": about},
    }
    return {"resourceType": resource_type, **needed[resource_type], **more}


def place_of_patient(resource_type: str, content: Resource) -> str:
    """The FHIRPath where a record names its patient."""
    ((path, _),) = subjects(resource_type, content)
    return f"{resource_type}.{path}"
