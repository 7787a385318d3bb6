"""What the facilities of a fault run send. All people are invented."""

from typing import Any

from referral.fhir import systems
from referral.fhir.elements import concept, reference

Resource = dict[str, Any]

WRITES = "urn:fault-run:writes"
_PATIENTS = "urn:fault-run:patients"
_BORN = "1961-05-04"
_APPENDICECTOMY = {"system": systems.technique_system("qd4440-2020"), "code": "27.0187.2039"}


def marked(content: Resource, mark: str) -> Resource:
    """A copy with the identifier of a write."""
    known = content.get("identifier", [])
    return content | {"identifier": [*known, {"system": WRITES, "value": mark}]}


def patient(number: int) -> Resource:
    """A Patient with a number of its own."""
    return {
        "resourceType": "Patient",
        "identifier": [patient_number(number)],
        "name": [{"family": "Trần", "given": ["Thị", f"Mẫu {number}"]}],
        "gender": "female",
        "birthDate": _BORN,
    }


def patient_number(number: int) -> Resource:
    """The identifier by which a Patient may be named."""
    return {"system": _PATIENTS, "value": f"P{number:07d}"}


def observation(subject: Resource, *members: str) -> Resource:
    """A body temperature; `members` are references to what it is made of."""
    found = {
        "resourceType": "Observation",
        "status": "final",
        "code": concept("http://loinc.org", "8310-5"),
        "subject": subject,
        "valueQuantity": {"value": 38.5, "unit": "Cel"},
    }
    return found | ({"hasMember": [{"reference": one} for one in members]} if members else {})


def condition(subject: Resource) -> Resource:
    """Why the patient is sent."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": concept(systems.ICD_10, "K35.8"),
        "subject": subject,
    }


def referral(subject: Resource, *performers: Resource, status: str = "active") -> Resource:
    """A referral of this patient to these facilities."""
    found = {
        "resourceType": "ServiceRequest",
        "status": status,
        "intent": "order",
        "category": [concept(systems.REFERRAL_KIND, "referral")],
        "priority": "urgent",
        "code": {"coding": [_APPENDICECTOMY], "text": "Laparoscopic appendicectomy"},
        "subject": subject,
        "note": [{"text": "Pain since the night, no fever at noon. " * 8}],
    }
    return found | ({"performer": list(performers)} if performers else {})


def offer(focus: str, owner: Resource) -> Resource:
    """The Task that puts a referral to a facility."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": concept(systems.TASK_CODE, "fulfill"),
        "focus": {"reference": focus},
        "owner": owner,
    }


def summary(subject: Resource) -> Resource:
    """What a hospital writes when care ends."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": concept("http://loinc.org", "18842-5"),
        "subject": subject,
        "content": [{"attachment": {"contentType": "text/plain", "data": "UmVjb3ZlcmVk"}}],
    }


def communication(about: str, task: str | None = None) -> Resource:
    """Something said about a referral; task: by its id, the offer between whose parties it is said."""
    said: Resource = {
        "resourceType": "Communication",
        "status": "completed",
        "basedOn": [{"reference": about}],
        "payload": [{"contentString": "The patient comes with her daughter."}],
    }
    return said | ({"partOf": [{"reference": f"Task/{task}"}]} if task else {})


def abort(about: str) -> Resource:
    """The sender's wish that the receiver stops."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": concept(systems.TASK_CODE, "abort"),
        "focus": {"reference": about},
        "reasonCode": {"text": "The family takes her home"},
    }


def claim(request: Resource) -> Resource:
    """What a patient brings with the letter of this referral."""
    numbers = (one for one in request["identifier"] if one["system"] == systems.REFERRAL_NUMBER_IDENTIFIER)
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "number", "valueString": next(numbers)["value"]},
            {"name": "birthDate", "valueDate": _BORN},
        ],
    }


def facility(name: str, *, by_code: bool = False) -> Resource:
    """A Reference to a facility, by its id or by its code."""
    if by_code:
        return {"identifier": {"system": systems.FACILITY_IDENTIFIER, "value": name}}
    return reference("Organization", name)


def output(code: str, **value: Any) -> Resource:
    """One Task.output."""
    return {"type": concept(systems.TASK_OUTPUT, code), **value}


def completion(written: str | None, disposition: str) -> list[Resource]:
    """The outputs of a completed offer; `written` is the reference to its summary."""
    outcome = "died" if disposition == "died" else "improved"
    parts = [
        output("outcome", valueCodeableConcept=concept(systems.OUTCOME, outcome)),
        output("disposition", valueCodeableConcept=concept(systems.DISPOSITION, disposition)),
    ]
    if written:
        parts.append(output("summary", valueReference={"reference": written}))
    return parts


def status_reason(text: str) -> Resource:
    """HL7's extension for why a request ended."""
    return {"url": systems.STATUS_REASON_EXTENSION, "valueCodeableConcept": {"text": text}}


def transaction(*resources: tuple[str, Resource]) -> Resource:
    """A transaction that creates all of them, each under the urn that others name it by."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": urn, "resource": made, "request": {"method": "POST", "url": made["resourceType"]}}
            for urn, made in resources
        ],
    }
