"""Invented people and what is wrong with them, as FHIR resources of the demo's systems."""

import base64
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from referral.cli.demo_system import Resource, System
from referral.fhir import systems

TECHNIQUES = systems.technique_system("qd4440-2020")

_LOINC = "http://loinc.org"
_NUMBERS = "http://demo.example/sid"  # of patients and referrals, as the invented systems count them
_YOUNGEST = date(2000, 12, 31)
_DAYS = 50 * 365
_FAMILIES = ("Bùi", "Đào", "Đỗ", "Hoàng", "Lê", "Lưu", "Ngô", "Nguyễn", "Phạm", "Trần", "Vũ")
_MIDDLES = {"female": ("Thị", "Ngọc", "Thu"), "male": ("Văn", "Đức", "Quang")}
_GIVEN = {
    "female": ("An", "Hạnh", "Hoa", "Lan", "Mai", "Nga", "Thảo", "Yến"),
    "male": ("Bình", "Dũng", "Hải", "Hùng", "Long", "Minh", "Sơn", "Tuấn"),
}


@dataclass(frozen=True, slots=True)
class Illness:
    """A need above a station: what was found, and the technique that is asked for."""

    plain: str
    priority: str
    technique: tuple[str, str]  # code and name in the list of 2020
    condition: tuple[str, str]  # ICD-10
    finding: tuple[str, str, float, str]  # LOINC code and name, value, UCUM unit


APPENDICITIS = Illness(
    plain="keyhole removal of the appendix",
    priority="urgent",
    technique=("27.0187.2039", "Phẫu thuật nội soi cắt ruột thừa"),
    condition=("K35.8", "Acute appendicitis, other and unspecified"),
    finding=("8310-5", "Body temperature", 38.6, "Cel"),
)
HEAD_INJURY = Illness(
    plain="removal of a blood clot that presses on the brain",
    priority="stat",
    technique=("10.0005.0370", "Phẫu thuật lấy máu tụ ngoài màng cứng trên lều tiểu não"),
    condition=("S06.4", "Epidural haemorrhage"),
    finding=("9269-2", "Glasgow coma score total", 11, "{score}"),
)


def referral_with_patient(system: System, case: Illness) -> list[tuple[str, Resource]]:
    """A new patient, condition, finding and referral without a target, each with the urn that names it."""
    urns = [f"urn:uuid:{uuid4()}" for _ in range(4)]
    patient, condition, finding = ({"reference": urn} for urn in urns[:3])
    referral: Resource = {
        "resourceType": "ServiceRequest",
        "identifier": [_number(system, "referral", "PLAC")],
        "status": "active",
        "intent": "order",
        "category": [_concept(systems.REFERRAL_KIND, "referral")],
        "priority": case.priority,
        "code": _concept(TECHNIQUES, *case.technique),
        "subject": patient,
        "requester": system.itself,
        "authoredOn": now(),
        "reasonReference": [condition],
        "supportingInfo": [finding],
    }
    return list(
        zip(
            urns,
            (_patient(system), _condition(patient, case), observation(patient, *case.finding), referral),
            strict=True,
        )
    )


def _patient(system: System) -> Resource:
    gender = secrets.choice(("female", "male"))
    given = [secrets.choice(_MIDDLES[gender]), secrets.choice(_GIVEN[gender])]
    return {
        "resourceType": "Patient",
        "identifier": [_number(system, "patient", "MR")],
        "name": [{"use": "official", "family": secrets.choice(_FAMILIES), "given": given}],
        "gender": gender,
        "birthDate": str(_YOUNGEST - timedelta(days=secrets.randbelow(_DAYS))),
    }


def _condition(patient: dict[str, str], case: Illness) -> Resource:
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "clinicalStatus": _concept(status, "active"),
        "code": _concept(systems.ICD_10, *case.condition),
        "subject": patient,
    }


def observation(patient: dict[str, str], code: str, name: str, value: float, unit: str) -> Resource:
    """A measured value in a UCUM unit."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": _concept(_LOINC, code, name),
        "subject": patient,
        "effectiveDateTime": now(),
        "valueQuantity": {"value": value, "unit": unit, "system": systems.UCUM, "code": unit},
    }


def summary(system: System, patient: dict[str, str], text: str) -> Resource:
    """A discharge summary of plain text."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "type": _concept(_LOINC, "18842-5", "Discharge summary"),
        "subject": patient,
        "date": now(),
        "author": [system.itself],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "language": "en",
                    "data": base64.b64encode(text.encode()).decode(),
                    "title": "Discharge summary",
                }
            }
        ],
    }


def offer(referral: Resource, target: dict[str, str]) -> Resource:
    """The Task that puts a referral to one target."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": _concept(systems.TASK_CODE, "fulfill"),
        "focus": {"reference": f"ServiceRequest/{referral['id']}"},
        "for": referral["subject"],
        "owner": target,
    }


def output(name: str, **value: Any) -> dict[str, Any]:
    """One entry of Task.output, such as output("summary", valueReference=…)."""
    return {"type": _concept(systems.TASK_OUTPUT, name), **value}


def outcome(code: str) -> dict[str, Any]:
    """The output that says how the patient is."""
    return output("outcome", valueCodeableConcept=_concept(systems.OUTCOME, code))


def disposition(code: str) -> dict[str, Any]:
    """The output that says where the patient goes."""
    return output("disposition", valueCodeableConcept=_concept(systems.DISPOSITION, code))


def rejection(code: str, text: str) -> dict[str, Any]:
    """A statusReason."""
    return {**_concept(systems.REJECT_REASON, code), "text": text}


def now() -> str:
    """This second, as a FHIR dateTime."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _number(system: System, kind: str, code: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": systems.IDENTIFIER_TYPE, "code": code}]},
        "system": f"{_NUMBERS}/{system.facility}/{kind}",
        "value": secrets.token_hex(6).upper(),
    }


def _concept(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"coding": [coding | {"display": display} if display else coding]}
