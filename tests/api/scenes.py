"""One referral in each of its states, with all that belongs to it, and who sees what of that."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    arrived,
    completion,
    created,
    observation,
    offer,
    output,
    patient,
    request,
    summary,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService

# The referral that is looked at is the second of a journey: its sender was the receiver of the first.
FACILITIES = {
    "sender": KIEN_AN,
    "receiver": VIET_TIEP,
    "next": AN_LAO,
    "office": OFFICE,
    "journey sender": LE_CHAN,
    "stranger": "ninh-giang-medical-centre",
}
TYPES = {
    "patient": "Patient",
    "request": "ServiceRequest",
    "offer": "Task",
    "package": "Condition",
    "part": "Observation",
    "other": "Observation",
    "words": "Communication",
    "reply": "Communication",
    "summary": "DocumentReference",
    "result": "Observation",
    "next offer": "Task",
}
"""package: named by the request; part: named by the package; other: of the same patient, named by nobody.

words: what the sender says about the referral; reply: what the receiver says. summary: what comes back;
result: what the receiver found and tells nobody.
"""
OWN = "patient request package part other words"
WITHOUT_TARGET = {
    "sender": OWN,
    "receiver": "",
    "next": "",
    "office": "request",
    "journey sender": "request",
    "stranger": "",
}
UNDER_WAY = {
    "sender": f"{OWN} offer reply",
    "receiver": "patient request package part words offer reply",
    "next": "",
    "office": "request offer",
    "journey sender": "request offer",
    "stranger": "",
}
ENDED = UNDER_WAY | {"receiver": "request words offer reply"}
PASSED_ON = ENDED | {
    "sender": f"{OWN} offer reply | next offer",
    "next": "patient request package part | next offer",
    "office": "request offer | next offer",
    "journey sender": "request offer | next offer",
}
IN_CARE = UNDER_WAY | {"receiver": "patient request package part words offer reply result"}
RETURNED = IN_CARE | {
    "sender": f"{OWN} offer reply summary",
    "receiver": "patient request package part words offer reply summary result",
    "journey sender": "request offer summary",
}
# The author owns; an offer grants request, Task, patient and exactly the package; rejection or withdrawal
# ends the package, not the referral; every sender in a chain may read status and summary of later ones.
EXPECTED: dict[str, dict[str, str]] = {
    "draft": dict.fromkeys(FACILITIES, "") | {"sender": "patient request package part other"},
    "unplaced": WITHOUT_TARGET,
    "offered": UNDER_WAY,
    "accepted": UNDER_WAY,
    "rejected": ENDED,
    "withdrawn": ENDED,
    "cancelled": ENDED,
    # That house was never meant: it reads that its offer was in error, not the request as it goes on.
    "in error": UNDER_WAY | {"receiver": "words offer reply"},
    "rejected and offered to the next": PASSED_ON,
    "referred onward": PASSED_ON,
    "arrived": IN_CARE,
    "completed": RETURNED,
    "closed": RETURNED,
}
Resource = dict[str, Any]
REASON = {"statusReason": {"text": "No bed"}}


@dataclass(slots=True)
class Scene:
    """One referral in one state: the ids of what belongs to it, and each as it is stored."""

    state: str
    service: RunningService
    ids: dict[str, str]
    contents: dict[str, Resource] = field(default_factory=dict)

    def named(self, name: str) -> Resource:
        """A reference to one of its resources."""
        return {"reference": f"{TYPES[name]}/{self.ids[name]}"}

    def versions(self) -> dict[str, str]:
        """The ETag of each of its resources, by id."""
        return {one["id"]: f'W/"{one["meta"]["versionId"]}"' for one in self.contents.values()}

    def types(self) -> list[str]:
        """The types of its resources."""
        return list(dict.fromkeys(TYPES[name] for name in self.ids))

    def of_type(self, resource_type: str) -> list[str]:
        """The names of its resources of this type."""
        return [name for name in self.ids if TYPES[name] == resource_type]

    def seen_by(self, viewer: str) -> set[str]:
        """The names of what this viewer is to see."""
        return words(EXPECTED[self.state][viewer])


async def journey(service: RunningService, **more: Any) -> tuple[Case, dict[str, str]]:
    """The second referral of a journey, with its package; its offer where it has one."""
    first = await arrived(service, sender=LE_CHAN, receiver=KIEN_AN)
    sender, receiver = first.receiver, await service.system(VIET_TIEP)
    who = patient()
    # The record that the hospital has of the person knows the number of the station too.
    who["identifier"] += first.patient["identifier"]
    who = await created(sender, who)
    number = {name: who["identifier"][0][name] for name in ("system", "value")}
    # Its patient is named by a number alone, and is as well known by that.
    part = await created(sender, observation("", subject={"identifier": number}))
    problem = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{who['id']}"},
        "code": {"text": "Appendicitis"},
        "evidence": [{"detail": [{"reference": f"Observation/{part['id']}"}]}],
    }
    package = await created(sender, problem)
    other = await created(sender, observation(who["id"]))
    asked = await created(
        sender,
        request(
            who["id"],
            VIET_TIEP,
            reasonReference=[{"reference": f"Condition/{package['id']}"}],
            basedOn=[{"reference": f"ServiceRequest/{first.request['id']}"}],
            **more,
        ),
    )
    found = await sender.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    tasks = [entry["resource"]["id"] for entry in found.json().get("entry", [])]
    ids = {"patient": who, "request": asked, "package": package, "part": part, "other": other}
    case = Case(sender, receiver, VIET_TIEP, who, asked, tasks[0] if tasks else "")
    return case, {name: resource["id"] for name, resource in ids.items()}


def about(case: Case) -> Resource:
    """Words about a referral."""
    return {
        "resourceType": "Communication",
        "status": "completed",
        "basedOn": [{"reference": f"ServiceRequest/{case.request['id']}"}],
    }


async def _draft(service: RunningService) -> dict[str, str]:
    _, ids = await journey(service, status="draft")
    return ids


async def _unplaced(service: RunningService) -> dict[str, str]:
    shortlist = [{"reference": f"Organization/{name}"} for name in (VIET_TIEP, AN_LAO)]
    case, ids = await journey(service, performer=shortlist)
    return ids | {"words": (await created(case.sender, about(case)))["id"]}


async def _offered(service: RunningService) -> tuple[Case, dict[str, str]]:
    case, ids = await journey(service)
    said = await created(case.sender, about(case))
    part_of = [{"reference": f"Task/{case.offer_id}"}]
    replied = await created(case.receiver, about(case) | {"partOf": part_of})
    return case, ids | {"offer": case.offer_id, "words": said["id"], "reply": replied["id"]}


async def _placed(service: RunningService, state: str) -> dict[str, str]:
    case, ids = await _offered(service)
    office = await service.system(OFFICE)
    match state:
        case "accepted":
            await case.moved(case.receiver, "accepted")
        case "rejected":
            await case.moved(case.receiver, "accepted")
            await case.moved(case.receiver, "rejected", **REASON)
        case "withdrawn":
            await case.moved(office, "cancelled", **REASON)
        case "cancelled":
            await _end(case, "revoked")
        case "in error":
            await _end(case, "entered-in-error")
        case "rejected and offered to the next":
            await case.moved(case.receiver, "rejected", **REASON)
            ids["next offer"] = (await created(case.sender, offer(case.request["id"], AN_LAO)))["id"]
        case "referred onward":
            onward = {"coding": [{"code": "referred-onward"}]}
            target = [output("target", valueReference={"reference": f"Organization/{AN_LAO}"})]
            await case.moved(case.receiver, "rejected", businessStatus=onward, output=target, **REASON)
            found = await case.sender.get("Task", params={"focus": f"ServiceRequest/{case.request['id']}"})
            both = {entry["resource"]["id"] for entry in found.json()["entry"]}
            (ids["next offer"],) = both - {case.offer_id}
    return ids


async def _end(case: Case, status: str) -> None:
    """Take the referral back."""
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    before = await case.referral()
    reason = {"url": url, "valueCodeableConcept": {"text": "The family went home"}}
    answer = await case.sender.put(
        f"ServiceRequest/{before['id']}",
        json=before | {"status": status, "extension": [*before["extension"], reason]},
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"'},
    )
    assert answer.status_code == 200, answer.text


async def _cared_for(service: RunningService, state: str) -> dict[str, str]:
    case, ids = await _offered(service)
    await case.moved(case.receiver, "in-progress")
    result = await created(case.receiver, observation(case.patient["id"]))
    ids["result"] = result["id"]
    if state == "arrived":
        return ids
    report = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(report["id"]))
    if state == "closed":
        await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    return ids | {"summary": report["id"]}


async def scene_in(service: RunningService, state: str) -> Scene:
    """A new referral in this state."""
    match state:
        case "draft":
            ids = await _draft(service)
        case "unplaced":
            ids = await _unplaced(service)
        case "arrived" | "completed" | "closed":
            ids = await _cared_for(service, state)
        case _:
            ids = await _placed(service, state)
    async with behind_the_wall(service.store) as owner:
        rows = await owner.fetch(
            "SELECT id, content::text AS content FROM document WHERE id = ANY ($1::text[])",
            list(ids.values()),
        )
    stored = {row["id"]: json.loads(row["content"]) for row in rows}
    return Scene(state, service, ids, {name: stored[one] for name, one in ids.items()})


def words(names: str) -> set[str]:
    """The names in a line of the table; `|` parts those of several words."""
    one, _, several = names.partition(" | ")
    return set(one.split()) | ({several} if several else set())
