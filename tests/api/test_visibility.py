"""Who sees what of a referral, by read and by search, in each of its states."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest

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
    "package": "Observation",
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
    """One referral in one state: the ids of what belongs to it."""

    state: str
    service: RunningService
    ids: dict[str, str]


async def journey(service: RunningService, **more: Any) -> tuple[Case, dict[str, str]]:
    """The second referral of a journey, with its package; its offer where it has one."""
    first = await arrived(service, sender=LE_CHAN, receiver=KIEN_AN)
    sender, receiver = first.receiver, await service.system(VIET_TIEP)
    who = await created(sender, patient())
    part = await created(sender, observation(who["id"]))
    package = await created(
        sender, observation(who["id"], hasMember=[{"reference": f"Observation/{part['id']}"}])
    )
    other = await created(sender, observation(who["id"]))
    asked = await created(
        sender,
        request(
            who["id"],
            VIET_TIEP,
            supportingInfo=[{"reference": f"Observation/{package['id']}"}],
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


@pytest.fixture(scope="module", params=EXPECTED)
async def scene(service: RunningService, request: pytest.FixtureRequest) -> Scene:
    state: str = request.param
    match state:
        case "draft":
            ids = await _draft(service)
        case "unplaced":
            ids = await _unplaced(service)
        case "arrived" | "completed" | "closed":
            ids = await _cared_for(service, state)
        case _:
            ids = await _placed(service, state)
    return Scene(state, service, ids)


def words(names: str) -> set[str]:
    """The names in a line of the table; `|` parts those of several words."""
    one, _, several = names.partition(" | ")
    return set(one.split()) | ({several} if several else set())


def test_the_table_names_what_there_is():
    assert {
        name for row in EXPECTED.values() for line in row.values() for name in words(line)
    } == TYPES.keys()
    assert all(row.keys() == FACILITIES.keys() for row in EXPECTED.values())


@pytest.mark.parametrize("viewer", FACILITIES)
async def test_who_sees_what(scene: Scene, viewer: str):
    client = await scene.service.system(FACILITIES[viewer])
    assert scene.ids.keys() == {name for line in EXPECTED[scene.state].values() for name in words(line)}
    read, found, counted = set(), set(), set()
    for name, resource_id in scene.ids.items():
        answer = await client.get(f"{TYPES[name]}/{resource_id}")
        assert answer.status_code in {200, 404}
        read |= {name} if answer.status_code == 200 else set()
        page = (await client.get(TYPES[name], params={"_id": resource_id, "_total": "accurate"})).json()
        found |= {name} if page.get("entry") else set()
        counted |= {name} if page["total"] else set()
    assert read == found == counted == words(EXPECTED[scene.state][viewer])


@pytest.mark.parametrize("viewer", FACILITIES)
async def test_what_comes_along_is_no_more_than_what_is_seen(scene: Scene, viewer: str):
    client = await scene.service.system(FACILITIES[viewer])
    names = {resource_id: name for name, resource_id in scene.ids.items()}
    seen = words(EXPECTED[scene.state][viewer])
    reverse = ["Observation:patient", "ServiceRequest:patient", "Task:patient", "DocumentReference:patient"]
    for asked, params in {
        "Task": {"focus": scene.ids["request"], "_include": ["Task:patient", "Task:focus"]},
        "ServiceRequest": {
            "_id": scene.ids["request"],
            "_include": "ServiceRequest:patient",
            "_revinclude": ["Communication:based-on", "Task:focus"],
        },
        "Patient": {"_id": scene.ids["patient"], "_revinclude": reverse},
    }.items():
        answer = await client.get(asked, params=params)
        assert answer.status_code == 200, answer.text
        for entry in answer.json().get("entry", []):
            assert names.get(entry["resource"]["id"]) in seen


@pytest.mark.parametrize("viewer", FACILITIES)
async def test_only_who_sees_a_patient_may_write_about_it(scene: Scene, viewer: str):
    client = await scene.service.system(FACILITIES[viewer])
    answer = await client.post("Observation", json=observation(scene.ids["patient"]))
    allowed = "patient" in words(EXPECTED[scene.state][viewer])
    assert answer.status_code == (201 if allowed else 422), answer.text


async def test_a_summary_goes_to_the_senders_before_and_not_to_those_after(service: RunningService):
    first = await arrived(service, sender=LE_CHAN, receiver=KIEN_AN)
    third = await service.system(VIET_TIEP)
    onward = request(
        first.patient["id"], VIET_TIEP, basedOn=[{"reference": f"ServiceRequest/{first.request['id']}"}]
    )
    asked = await created(first.receiver, onward)
    found = await third.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    second = Case(
        first.receiver, third, VIET_TIEP, first.patient, asked, found.json()["entry"][0]["resource"]["id"]
    )
    await second.moved(third, "in-progress")
    later = await created(third, summary(first.patient["id"]))
    # With the way down the third becomes a sender of the journey too, after the first referral.
    await second.moved(third, "completed", output=completion(later["id"], "returned-to-referrer"))
    earlier = await created(first.receiver, summary(first.patient["id"]))
    await first.moved(first.receiver, "completed", output=completion(earlier["id"]))
    for client, document, status in (
        (first.sender, later, 200),
        (first.sender, earlier, 200),
        (first.receiver, later, 200),
        (third, earlier, 404),
    ):
        assert (await client.get(f"DocumentReference/{document['id']}")).status_code == status


async def test_a_journey_is_written_in_one_transaction_in_any_order(service: RunningService):
    station = await service.system(LE_CHAN)
    who, first, second = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    entries = [
        (who, patient()),
        (second, request("", KIEN_AN, subject={"reference": who}, basedOn=[{"reference": first}])),
        (first, request("", KIEN_AN, subject={"reference": who})),
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": url,
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for url, resource in entries
        ],
    }
    answer = await station.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    for entry in answer.json()["entry"]:
        kind, resource_id = entry["resource"]["resourceType"], entry["resource"]["id"]
        assert (await station.get(f"{kind}/{resource_id}")).status_code == 200


async def test_a_journey_that_goes_in_a_circle_is_refused(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    ends = [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
    entries = [
        {
            "fullUrl": url,
            "resource": request(who["id"], KIEN_AN, basedOn=[{"reference": other}]),
            "request": {"method": "POST", "url": "ServiceRequest"},
        }
        for url, other in (ends, ends[::-1])
    ]
    answer = await station.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule"), answer.text
    one = await created(station, request(who["id"], status="draft"))
    based_on = [{"reference": f"ServiceRequest/{one['id']}"}]
    two = await created(station, request(who["id"], status="draft", basedOn=based_on))
    circle = one | {"basedOn": [{"reference": f"ServiceRequest/{two['id']}"}]}
    answer = await station.put(f"ServiceRequest/{one['id']}", json=circle, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    # As a draft it harms nobody; what is submitted continues what was submitted before it.
    for draft in (circle, two):
        address = f"ServiceRequest/{draft['id']}"
        version = (await station.get(address)).headers["ETag"]
        answer = await station.put(address, json=draft | {"status": "active"}, headers={"If-Match": version})
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule"), answer.text
