"""Referrals as systems send them, about 2 KB each, no two alike; and the ways that one may have gone.

All people are invented. The marks are values that stand for what differs between two referrals: `seed` finds
them in the rows that a referral left and puts other values there.
"""

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg

from referral.fhir.systems import technique_system
from scripts.benchmark.stage import Systems

BODY_BYTES: Final = 2000
NOTE_CHARACTERS: Final = 1000
TECHNIQUE: Final = technique_system("qd4440-2020")
ORDERS, PATIENTS = "http://bench.example/sid/order", "http://bench.example/sid/patient"

_FAMILIES = "Bùi Đào Đỗ Hoàng Lê Lưu Ngô Nguyễn Phạm Trần Vũ Đặng Phan Trịnh Mai".split()
_GIVEN = "An Hạnh Hoa Lan Mai Nga Thảo Yến Bình Dũng Hải Hùng Long Minh Sơn Tuấn Oanh Phúc".split()
_WORDS = (
    "patient reports pain in the right lower abdomen since yesterday evening no vomiting temperature pulse"
    " and blood pressure taken twice tenderness at the point of examination white cells raised ultrasound"
    " shows a thickened wall little fluid seen family informed transport by own car fasting since noon known"
    " allergy to penicillin asked for surgical opinion and further treatment as the station cannot operate"
).split()

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """What differs between two patients and their referrals."""

    family: str
    given: str
    birth_date: str
    number: str  # of the patient, in the sender's system
    order: str  # of the referral, in the sender's system
    note: str  # NOTE_CHARACTERS of ASCII


MARK: Final = Person(
    "Zzfamily", "Zzgiven", "1903-03-03", "ZZPATIENT", "ZZORDER", "zznote".ljust(NOTE_CHARACTERS, "z")
)


class People:
    """People drawn at random, the same for the same seed; none has another's numbers."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - invented people, no secrets
        self._prefix = seed
        self._count = 0
        self._text = " ".join(self._random.choices(_WORDS, k=40_000))

    def next(self) -> Person:
        """Another one."""
        draw = self._random.random
        self._count += 1
        start = int(draw() * (len(self._text) - NOTE_CHARACTERS))
        number = f"{self._prefix}-{self._count}"
        return Person(
            family=_FAMILIES[int(draw() * len(_FAMILIES))],
            given=f"{_GIVEN[int(draw() * len(_GIVEN))]} {_GIVEN[int(draw() * len(_GIVEN))]}",
            birth_date=(date(2012, 12, 31) - timedelta(days=int(draw() * 30_000))).isoformat(),
            number=f"P-{number}",
            order=f"R-{number}",
            note=self._text[start : start + NOTE_CHARACTERS],
        )


def patient(person: Person) -> Resource:
    """The patient."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": PATIENTS, "value": person.number}],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": "female",
        "birthDate": person.birth_date,
    }


def referral(person: Person, subject: str, sender: str, receiver: str) -> Resource:
    """A referral of about BODY_BYTES with one performer, so that the hub opens the offer."""
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": ORDERS, "value": person.order}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}],
        "priority": "urgent",
        "code": {"coding": [{"system": TECHNIQUE, "code": "03.3327.0459"}], "text": "Appendicectomy"},
        "subject": {"reference": subject},
        "occurrenceDateTime": "2026-12-01",
        "authoredOn": datetime.now(UTC).isoformat(timespec="seconds"),
        "requester": {"reference": f"Organization/{sender}"},
        "performer": [{"reference": f"Organization/{receiver}"}],
        "reasonCode": [
            {
                "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "K35.8"}],
                "text": "Appendicitis",
            }
        ],
        "note": [{"text": person.note}],
    }


def offer(focus: str, owner: str) -> Resource:
    """The Task that puts a referral to one target."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": focus},
        "owner": {"reference": f"Organization/{owner}"},
    }


def summary(subject: str) -> Resource:
    """What the hospital writes when care ends."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": subject},
        "content": [{"attachment": {"contentType": "text/plain", "data": "UmVjb3ZlcmVk" * 20}}],
    }


def transaction(person: Person, sender: str, receiver: str) -> Resource:
    """A new patient, a referral and its offer."""
    urns = [f"urn:uuid:00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    resources = [
        patient(person),
        referral(person, urns[0], sender, receiver),
        offer(urns[1], receiver),
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": urn, "resource": made, "request": {"method": "POST", "url": made["resourceType"]}}
            for urn, made in zip(urns, resources, strict=True)
        ],
    }


def question(sender: str, technique_list: str, technique: str) -> Resource:
    """Parameters of `$suggest-targets` for a draft."""
    draft = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}],
        "priority": "urgent",
        "code": {"coding": [{"system": technique_system(technique_list), "code": technique}]},
        "subject": {"display": "Somebody"},
        "requester": {"reference": f"Organization/{sender}"},
    }
    return {"resourceType": "Parameters", "parameter": [{"name": "serviceRequest", "resource": draft}]}


def as_bytes(content: Resource) -> bytes:
    """JSON as a client sends it."""
    return json.dumps(content, ensure_ascii=False).encode()


# The ways that a referral may have gone -------------------------------------------------------------

REASON: Final = {"text": "Both theatres are taken until the evening."}
COMPLETION: Final = {
    "status": "completed",
    "output": [
        {"type": {"coding": [{"code": "outcome"}]}, "valueCodeableConcept": {"coding": [{"code": "cured"}]}},
        {
            "type": {"coding": [{"code": "disposition"}]},
            "valueCodeableConcept": {"coding": [{"code": "discharged"}]},
        },
    ],
}
_SUMMARY: Final = {"coding": [{"code": "summary"}]}
_OFFER_OF: Final = (
    "SELECT d.content::text FROM offer o JOIN document d ON d.type = 'Task' AND d.id = o.id"
    " WHERE o.referral = $1"
)
CLOSE: Final = {"businessStatus": {"coding": [{"code": "closed"}]}}

# By name: who updates the offer (receiver or sender), and what the update says.
WAYS: Final[dict[str, tuple[tuple[str, Resource], ...]]] = {
    "requested": (),
    "received": (("receiver", {"status": "received"}),),
    "accepted": (("receiver", {"status": "received"}), ("receiver", {"status": "accepted"})),
    "arrived": (("receiver", {"status": "accepted"}), ("receiver", {"status": "in-progress"})),
    "rejected": (("receiver", {"status": "rejected", "statusReason": REASON}),),
    "closed": (
        ("receiver", {"status": "accepted"}),
        ("receiver", COMPLETION),
        ("sender", CLOSE),
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """The ids of a referral that was really placed, and of what else was written for it."""

    patient: str
    request: str
    task: str
    others: tuple[str, ...] = ()


async def place(
    systems: Systems, owner: asyncpg.Connection, way: str, *, sender: str, receiver: str, person: Person
) -> Placed:
    """Place a referral over HTTP and take it that way; nothing is read over HTTP."""
    found = await systems.ask(sender, "POST", "Patient", patient(person))
    subject = f"Patient/{found['id']}"
    request = await systems.ask(sender, "POST", "ServiceRequest", referral(person, subject, sender, receiver))
    others: list[str] = []
    task: Resource = json.loads(await owner.fetchval(_OFFER_OF, request["id"]))
    for party, change in WAYS[way]:
        said = change
        if change is COMPLETION:
            written = await systems.ask(receiver, "POST", "DocumentReference", summary(subject))
            others.append(written["id"])
            named = {"reference": f"DocumentReference/{written['id']}"}
            outputs = [*COMPLETION["output"], {"type": _SUMMARY, "valueReference": named}]
            said = said | {"output": outputs}
        version = f'W/"{task["meta"]["versionId"]}"'
        actor = sender if party == "sender" else receiver
        task = await systems.ask(actor, "PUT", f"Task/{task['id']}", task | said, **{"If-Match": version})
    return Placed(found["id"], request["id"], task["id"], tuple(others))


def with_order(person: Person, way: str) -> Person:
    """The same person with an order of its own: a sender has each number once."""
    return replace(person, order=f"{person.order}{way}")
