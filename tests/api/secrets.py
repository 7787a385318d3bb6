"""One referral with everything about it, and what a stranger can ask for by its names."""

import json
import uuid
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

import httpx

from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    Case,
    completion,
    created,
    observation,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """Ids and words of a referral under way: hidden ones, or invented ones of which nothing is stored."""

    patient: str
    request: str
    task: str
    observation: str
    note: str
    condition: str
    document: str
    communication: str
    number: str
    person_number: str
    family: str

    @property
    def resources(self) -> dict[str, str]:
        """The id of a resource of each clinical type."""
        return {
            "Patient": self.patient,
            "ServiceRequest": self.request,
            "Task": self.task,
            "Observation": self.observation,
            "Condition": self.condition,
            "DocumentReference": self.document,
            "Communication": self.communication,
        }

    def without(self, answer: httpx.Response) -> tuple[int, dict[str, str], str]:
        """An answer with a word in place of each name, and without what differs by the moment."""
        text = answer.text
        for field in fields(self):
            name = getattr(self, field.name)
            text = text.replace(name, f"<{field.name}>").replace(quote(name), f"<{field.name}>")
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in {"date", "x-request-id", "content-length"}
        }
        return answer.status_code, kept, text


def invented() -> Names:
    """Names of nothing, as long as the hidden ones."""
    words = [str(uuid.uuid4()) for _ in range(8)]
    return Names(*words, "HP" + str(uuid.uuid4().int)[:9], uuid.uuid4().hex, f"Vô{uuid.uuid4().hex}")


async def hidden(service: RunningService) -> Names:
    """A completed referral from a station to a hospital, with a package, a summary and words between them."""
    names = invented()
    station = await service.system(LE_CHAN)
    who = patient(
        identifier=[{"system": "urn:test:person", "value": names.person_number}],
        name=[{"family": names.family, "given": ["Thị Giấu"]}],
        telecom=[{"system": "phone", "value": names.person_number}],
        managingOrganization={"reference": f"Organization/{LE_CHAN}"},
    )
    stored = await created(station, who)
    asked = await created(station, request(stored["id"], KIEN_AN))
    hospital = await service.system(KIEN_AN)
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    case = Case(station, hospital, KIEN_AN, stored, asked, found.json()["entry"][0]["resource"]["id"])
    subject = {"reference": f"Patient/{case.patient['id']}"}
    about = {"identifier": [{"system": "urn:test:record", "value": names.person_number}]}
    condition = {"resourceType": "Condition", "subject": subject, "code": {"text": "Appendicitis"}} | about
    problem = await created(station, condition)
    taken = {"effectiveDateTime": "2026-01-02", "performer": [{"reference": f"Organization/{LE_CHAN}"}]}
    seen = await created(station, observation(case.patient["id"], **taken, **about))
    other = await created(station, observation(case.patient["id"], **about))
    info = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in (seen, problem)]
    changed = await station.put(
        f"ServiceRequest/{case.request['id']}",
        json=case.request | {"supportingInfo": info, "priority": "stat"},
        headers={"If-Match": 'W/"1"'},
    )
    assert changed.status_code == 200, changed.text
    said = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": subject,
        "basedOn": [{"reference": f"ServiceRequest/{case.request['id']}"}],
        "partOf": [{"reference": f"Task/{case.offer_id}"}],
        "sent": "2026-01-02T03:04:05Z",
    }
    spoken = await created(station, said | about)
    await case.moved(case.receiver, "accepted")
    await case.moved(case.receiver, "in-progress")
    report = await created(case.receiver, summary(case.patient["id"], **about))
    await case.moved(case.receiver, "completed", output=completion(report["id"]))
    number = next(i["value"] for i in case.request["identifier"] if i["value"].startswith("HP"))
    return Names(
        case.patient["id"],
        case.request["id"],
        case.offer_id,
        seen["id"],
        other["id"],
        problem["id"],
        report["id"],
        spoken["id"],
        number,
        names.person_number,
        names.family,
    )


def bundle(*entries: tuple[str, str, Resource]) -> bytes:
    """A transaction of (method, address, resource)."""
    return json.dumps(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"resource": resource, "request": {"method": method, "url": address}}
                for method, address, resource in entries
            ],
        }
    ).encode()
