"""JSON that says what R4, the network or a referral does not allow: told with its path, nothing stored."""

from typing import Any

import httpx
import pytest

from tests.api.refusals import ABSENT, outcome, refused, rows
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    B,
    created,
    observation,
    offer,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

URN = "urn:uuid:6d1e3b5e-8f3d-4a38-a0e1-9a7f7a1b2c3d"
UNKNOWN = [
    *(
        {"reference": text}
        for text in ("Patient/nobody", "nobody", URN, "https://ehr.example/fhir/Patient/1")
    ),
    *({"identifier": {"system": "urn:x", "value": text}} for text in ("nobody", "y" * 9000)),
    {"identifier": {"_value": ABSENT}},
    {"_reference": ABSENT},
    {"display": "She there"},
]
NETWORK, DIRECTION = (f"{B}/StructureDefinition/{name}" for name in ("network", "direction"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"banana": 1}, (400, "invalid", "ServiceRequest.banana")),
        ({"status": "banana"}, (400, "code-invalid", "ServiceRequest.status")),
        ({"status": None}, (400, "invalid", "ServiceRequest.status")),
        ({"intent": "wish"}, (400, "code-invalid", "ServiceRequest.intent")),
        ({"priority": "now"}, (400, "code-invalid", "ServiceRequest.priority")),
        ({"status": ...}, (422, "required", "ServiceRequest.status")),
        ({"status": ..., "_status": ABSENT}, (422, "required", "ServiceRequest.status")),
        ({"subject": ...}, (422, "required", "ServiceRequest.subject")),
        ({"subject": {}}, (400, "invalid", "ServiceRequest.subject")),
        ({"subject": [{"reference": "Patient/x"}]}, (400, "invalid", "ServiceRequest.subject")),
        ({"subject": {"reference": "#p"}}, (400, "invalid", "ServiceRequest.subject.reference")),
        *(({"subject": found}, (422, "business-rule", "ServiceRequest.subject")) for found in UNKNOWN),
        (
            {"performer": [{"reference": "Organization/nowhere"}]},
            (422, "business-rule", "ServiceRequest.performer[0]"),
        ),
        ({"performer": [{"display": "Any"}]}, (422, "business-rule", "ServiceRequest.performer[0]")),
        (
            {"performer": [{"reference": f"Organization/{OFFICE}"}]},
            (422, "business-rule", "ServiceRequest.performer"),
        ),
        ({"performer": []}, (400, "invalid", "ServiceRequest.performer")),
        ({"performer": [None]}, (400, "invalid", "ServiceRequest.performer[0]")),
        (
            {"basedOn": [{"reference": "ServiceRequest/none"}]},
            (422, "business-rule", "ServiceRequest.basedOn[0]"),
        ),
        ({"authoredOn": "yesterday"}, (400, "invalid", "ServiceRequest.authoredOn")),
        ({"authoredOn": "2026-02-30"}, (400, "invalid", "ServiceRequest.authoredOn")),
        ({"code": {"text": ""}}, (400, "invalid", "ServiceRequest.code.text")),
        ({"id": "a" * 65}, (400, "invalid", "ServiceRequest.id")),
        (
            {"text": {"status": "generated", "div": "<div/>"}},
            (400, "invalid", "ServiceRequest.text.div"),
        ),
        (
            {"extension": [{"url": NETWORK, "valueString": "ours"}]},
            (422, "business-rule", "ServiceRequest.extension"),
        ),
        (
            {"extension": [{"url": NETWORK, "valueReference": {"display": "ours"}}]},
            (422, "business-rule", "ServiceRequest.extension"),
        ),
        (
            {"extension": [{"url": DIRECTION, "valueString": "up"}]},
            (400, "code-invalid", "ServiceRequest.extension"),
        ),
        (
            {"contained": [{"resourceType": "Banana", "id": "c"}]},
            (400, "invalid", "ServiceRequest.contained[0].resourceType"),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_content_that_does_not_fit(
    station: httpx.AsyncClient, who: str, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    changed = request(who, KIEN_AN) | change
    body = {name: value for name, value in changed.items() if value is not ...}
    refused(await station.post("ServiceRequest", json=body), *expected)


async def test_all_that_is_wrong_is_told_at_once(service: RunningService, station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    body = request(who["id"], banana=1, status="x", priority="y")
    del body["subject"]
    before = await rows(service)
    answer = await station.post("ServiceRequest", json=body)
    assert answer.status_code == 400
    assert {(issue["expression"][0]) for issue in outcome(answer)} == {
        f"ServiceRequest.{name}" for name in ("banana", "status", "priority", "subject")
    }
    assert await rows(service) == before


@pytest.mark.parametrize(
    "resource_type", ["ServiceRequest", "Observation", "Condition", "DocumentReference", "Task"]
)
async def test_nobody_and_a_strangers_patient_get_the_same_answer(
    service: RunningService, station: httpx.AsyncClient, resource_type: str
) -> None:
    other = await service.system(AN_LAO)
    theirs = (await created(other, patient()))["id"]
    before = await rows(service)
    answers = [
        await station.post(resource_type, json=about(resource_type, who)) for who in (theirs, "nobody")
    ]
    assert answers[0].json() == answers[1].json()
    element = "for" if resource_type == "Task" else "subject"
    refused(answers[0], 422, "business-rule", f"{resource_type}.{element}")
    assert await rows(service) == before


def about(resource_type: str, who: str) -> dict[str, Any]:
    """A resource about this patient."""
    match resource_type:
        case "ServiceRequest":
            return request(who)
        case "Observation":
            return observation(who)
        case "DocumentReference":
            return summary(who)
        case "Task":
            return {
                "resourceType": "Task",
                "status": "draft",
                "intent": "plan",
                "for": {"reference": f"Patient/{who}"},
            }
        case _:
            return {"resourceType": resource_type, "subject": {"reference": f"Patient/{who}"}}


async def test_a_strangers_id_is_not_taken_over(service: RunningService, station: httpx.AsyncClient) -> None:
    other = await service.system(AN_LAO)
    theirs = await created(other, patient())
    before = await rows(service)
    refused(await station.put(f"Patient/{theirs['id']}", json=patient(id=theirs["id"])), 404, "not-found")
    assert await rows(service) == before
    assert (await other.get(f"Patient/{theirs['id']}")).json() == theirs


async def test_the_offer_of_nothing(service: RunningService, station: httpx.AsyncClient) -> None:
    before = await rows(service)
    for focus in ("ServiceRequest/none", "Patient/none", "https://ehr.example/fhir/ServiceRequest/1"):
        body = offer("x", KIEN_AN, focus={"reference": focus})
        refused(await station.post("Task", json=body), 422, "business-rule", "Task.focus")
    assert await rows(service) == before


async def test_an_offer_to_whom_nobody_knows(service: RunningService, station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    before = await rows(service)
    for owner in ("nowhere", LE_CHAN, OFFICE):
        refused(
            await station.post("Task", json=offer(asked["id"], owner)), 422, "business-rule", "Task.owner"
        )
    body = offer(asked["id"], KIEN_AN)
    del body["owner"]
    refused(await station.post("Task", json=body), 422, "required", "Task.owner")
    body = offer(asked["id"], KIEN_AN, _status=ABSENT)
    del body["status"]
    refused(await station.post("Task", json=body), 422, "business-rule", "Task.status")
    assert await rows(service) == before


async def test_a_move_without_a_status_of_its_own(service: RunningService) -> None:
    case = await offered(service)
    task = await case.task(case.receiver)
    del task["status"]
    before = await rows(service)
    answer = await case.receiver.put(
        f"Task/{task['id']}", json=task | {"_status": ABSENT}, headers={"If-Match": 'W/"1"'}
    )
    refused(answer, 422, "required", "Task.status")
    assert await rows(service) == before


async def test_contained_resources_with_identifiers_are_no_references(station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "identifier": {"system": "urn:test:letter", "value": "1"},
        "type": {"text": "Letter"},
        "status": "final",
        "date": "2026",
        "title": "Letter",
        "author": [{"display": "A doctor"}],
    }
    await created(station, observation(who["id"], contained=[composition], focus=[{"reference": "#c"}]))


async def test_a_position_without_its_degrees(service: RunningService) -> None:
    office = await service.system(OFFICE)
    place = {
        "resourceType": "Location",
        "managingOrganization": {"reference": f"Organization/{LE_CHAN}"},
        "position": {"_latitude": ABSENT, "longitude": 106.6},
    }
    before = await rows(service)
    refused(await office.post("Location", json=place), 422, "required", "Location.position.latitude")
    place["position"] = {"latitude": 91, "longitude": 106.6}
    refused(await office.post("Location", json=place), 422, "business-rule", "Location.position.latitude")
    assert await rows(service) == before


async def test_another_network_than_the_referrals_is_put_aside(service: RunningService) -> None:
    case = await offered(service)
    rest = [found for found in case.request["extension"] if found["url"] != NETWORK]
    for said in (
        [],
        [{"url": NETWORK, "valueString": "another"}],
        [{"url": NETWORK, "valueReference": {"display": "x"}}],
    ):
        current = await case.referral()
        changed = current | {"extension": rest + said, "note": [{"text": f"seen {len(str(said))}"}]}
        answer = await case.sender.put(
            f"ServiceRequest/{current['id']}",
            json=changed,
            headers={"If-Match": f'W/"{current["meta"]["versionId"]}"', "Prefer": "return=OperationOutcome"},
        )
        assert answer.status_code == 200, answer.text
        assert ("ServiceRequest.network" in outcome(answer)[0]["diagnostics"]) == bool(said)
        kept = [found for found in (await case.referral())["extension"] if found["url"] == NETWORK]
        assert kept == [{"url": NETWORK, "valueReference": {"reference": f"Organization/{OFFICE}"}}]
