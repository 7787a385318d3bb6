"""Sixteen connections at once: one wins, the others are told, and what is left is a legal state."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import Any

import httpx
import pytest

from tests.api.legal_path import check_path
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
    offered,
    patient,
    request,
    summary,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService

AT_ONCE = 16
REASON = {"text": "No bed"}


async def at_once(asked: Iterable[Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """The answers to requests that are under way together; none of them a fault."""
    answers = await asyncio.gather(*asked)
    for answer in answers:
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["resourceType"] == "OperationOutcome"
    return answers


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def put(client: httpx.AsyncClient, before: dict[str, Any], **changes: Any) -> Awaitable[httpx.Response]:
    """An update of exactly this version."""
    return client.put(
        f"{before['resourceType']}/{before['id']}",
        json=before | changes,
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"'},
    )


@pytest.fixture(autouse=True)
async def warm(service: RunningService) -> None:
    """The systems are signed in, so that what comes at once is what is asked here."""
    for facility in (LE_CHAN, KIEN_AN, AN_LAO, OFFICE):
        await (await service.system(facility)).get("Patient?_count=0")


async def test_one_of_many_moves_of_an_offer_is_made(service: RunningService):
    case = await offered(service)
    task = await case.task()
    moves = [
        {"status": "accepted"},
        {"status": "rejected", "statusReason": REASON},
        {"status": "in-progress"},
    ]
    answers = await at_once(put(case.receiver, task, **moves[turn % 3]) for turn in range(AT_ONCE))
    assert statuses(answers) == {200: 1, 412: AT_ONCE - 1}
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await case.task())["status"] == won["status"]
    await check_path(service, case.request["id"])


async def test_one_of_many_parties_moves_an_offer(service: RunningService):
    case = await offered(service)
    task = await case.task()
    office = await service.system(OFFICE)
    ways = [
        (case.receiver, {"status": "accepted"}),
        (case.sender, {"status": "cancelled", "statusReason": REASON}),
        (office, {"status": "cancelled", "statusReason": REASON}),
        (case.receiver, {"status": "received"}),
    ]
    answers = await at_once(put(ways[n % 4][0], task, **ways[n % 4][1]) for n in range(AT_ONCE))
    assert statuses(answers) == {200: 1, 412: AT_ONCE - 1}
    await check_path(service, case.request["id"])


async def test_one_of_two_targets_has_the_offer(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    targets = [KIEN_AN, AN_LAO]
    answers = await at_once(
        station.post("Task", json=offer(asked["id"], targets[turn % 2])) for turn in range(AT_ONCE)
    )
    # The same target again is answered with the offer that stands; the other is refused.
    assert statuses(answers) == {201: 1, 200: AT_ONCE // 2 - 1, 409: AT_ONCE // 2}
    standing = {answer.json()["id"] for answer in answers if answer.status_code in {200, 201}}
    assert len(standing) == 1
    found = await station.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    assert {entry["resource"]["id"] for entry in found.json()["entry"]} == standing
    await check_path(service, asked["id"])


async def test_the_sender_and_the_office_offer_at_once(service: RunningService):
    station, office = await service.system(LE_CHAN), await service.system(OFFICE)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    ways = [(station, KIEN_AN), (office, AN_LAO)]
    answers = await at_once(
        ways[turn % 2][0].post("Task", json=offer(asked["id"], ways[turn % 2][1])) for turn in range(AT_ONCE)
    )
    assert statuses(answers)[201] == 1
    await check_path(service, asked["id"])


async def test_one_of_many_creates_of_one_id(service: RunningService):
    station, stranger = await service.system(LE_CHAN), await service.system(AN_LAO)
    name = str(uuid.uuid4())
    contents = [patient(id=name, birthDate=str(1900 + turn)) for turn in range(AT_ONCE)]
    clients = [station, station, station, stranger]
    answers = await at_once(
        clients[turn % 4].put(f"Patient/{name}", json=contents[turn]) for turn in range(AT_ONCE)
    )
    assert statuses(answers)[201] == 1
    assert statuses(answers).keys() <= {200, 201, 404, 412}
    (owner,) = [clients[turn % 4] for turn in range(AT_ONCE) if answers[turn].status_code == 201]
    newest = int((await owner.get(f"Patient/{name}")).json()["meta"]["versionId"])
    assert newest == 1 + statuses(answers)[200]
    async with behind_the_wall(service.store) as connection:
        older = await connection.fetch(
            "SELECT version FROM document_version WHERE type = 'Patient' AND id = $1 ORDER BY version", name
        )
        readers = await connection.fetch("SELECT facility FROM access WHERE id = $1", name)
    assert [row["version"] for row in older] == list(range(1, newest))
    assert [row["facility"] for row in readers] == [LE_CHAN if owner is station else AN_LAO]


async def test_transactions_that_write_the_same_in_another_order(service: RunningService):
    station = await service.system(LE_CHAN)
    names = [str(uuid.uuid4()) for _ in range(6)]

    def bundle(order: list[str]) -> bytes:
        return json.dumps(
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {"resource": patient(id=name), "request": {"method": "PUT", "url": f"Patient/{name}"}}
                    for name in order
                ],
            }
        ).encode()

    for _ in range(3):
        answers = await at_once(
            station.post("", content=bundle(names[::-1] if turn % 2 else names)) for turn in range(AT_ONCE)
        )
        assert statuses(answers)[200] >= 1
        assert statuses(answers).keys() <= {200, 412}
        found = await station.get("Patient", params={"_id": ",".join(names)})
        # All of a transaction or nothing: the six have been written together each time.
        assert len({entry["resource"]["meta"]["versionId"] for entry in found.json()["entry"]}) == 1


async def test_cancelling_while_it_is_accepted(service: RunningService):
    for _ in range(4):
        case = await offered(service)
        task, before = await case.task(), await case.referral()
        cancelled, *accepted = await at_once(
            [
                _cancel(case, before),
                *(put(case.receiver, task, status="accepted") for _ in range(AT_ONCE - 1)),
            ]
        )
        # An offer that was accepted may still be withdrawn, one that was withdrawn is not accepted.
        assert cancelled.status_code == 200, cancelled.text
        assert statuses(accepted).keys() <= {200, 412}
        assert statuses(accepted)[200] <= 1
        assert (await case.task())["status"] == "cancelled"
        await check_path(service, case.request["id"])


async def test_cancelling_while_the_patient_arrives(service: RunningService):
    for _ in range(4):
        case = await offered(service)
        task, before = await case.task(), await case.referral()
        arrival, cancelled = await at_once(
            [put(case.receiver, task, status="in-progress"), _cancel(case, before)]
        )
        assert (arrival.status_code, cancelled.status_code) in {(200, 409), (412, 200)}
        await check_path(service, case.request["id"])


def _cancel(case: Case, before: dict[str, Any]) -> Awaitable[httpx.Response]:
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    reason = {"url": url, "valueCodeableConcept": REASON}
    return put(case.sender, before, status="revoked", extension=[*before["extension"], reason])


async def test_one_way_back_is_opened(service: RunningService):
    case = await arrived(service)
    report = await created(case.receiver, summary(case.patient["id"]))
    task = await case.task()
    done = completion(report["id"], "returned-to-referrer")
    answers = await at_once(put(case.receiver, task, status="completed", output=done) for _ in range(AT_ONCE))
    assert statuses(answers) == {200: 1, 412: AT_ONCE - 1}
    way = {"based-on": f"ServiceRequest/{case.request['id']}"}
    (entry,) = (await case.sender.get("ServiceRequest", params=way)).json()["entry"]
    await check_path(service, case.request["id"])
    await check_path(service, entry["resource"]["id"])


async def test_every_referral_has_its_own_number(service: RunningService):
    station = await service.system(LE_CHAN)
    people = [await created(station, patient()) for _ in range(AT_ONCE)]
    answers = await at_once(
        station.post("ServiceRequest", json=request(who["id"], KIEN_AN)) for who in people
    )
    assert statuses(answers) == {201: AT_ONCE}
    numbers = {answer.json()["identifier"][0]["value"] for answer in answers}
    assert len(numbers) == AT_ONCE
    for answer in answers:
        await check_path(service, answer.json()["id"])


async def test_a_package_that_grows_while_it_is_withdrawn_stays_withdrawn(service: RunningService):
    for _ in range(3):
        case = await offered(service)
        record = await created(case.sender, observation(case.patient["id"]))
        task, before = await case.task(), await case.referral()
        info = [{"reference": f"Observation/{record['id']}"}]
        await at_once(
            [
                put(case.sender, before, supportingInfo=info),
                put(case.receiver, task, status="rejected", statusReason=REASON),
            ]
        )
        assert (await case.task())["status"] == "rejected"
        for address in (f"Observation/{record['id']}", f"Patient/{case.patient['id']}"):
            assert (await case.receiver.get(address)).status_code == 404
        await check_path(service, case.request["id"])


async def test_many_different_things_at_once(service: RunningService):
    """Reads and searches among writes: all are answered, whatever is under way."""
    cases = [await offered(service, receiver=target) for target in (KIEN_AN, AN_LAO, VIET_TIEP, KIEN_AN)]
    tasks = [await case.task() for case in cases]
    asked: list[Awaitable[httpx.Response]] = []
    for case, task in zip(cases, tasks, strict=True):
        asked += [
            put(case.receiver, task, status="accepted"),
            case.receiver.get("Task", params={"status": "requested", "_sort": "-_lastUpdated"}),
            case.sender.get(f"ServiceRequest/{case.request['id']}"),
            case.sender.post("Observation", json=observation(case.patient["id"])),
        ]
    assert len(asked) == AT_ONCE
    assert statuses(await at_once(asked)) == {200: 12, 201: 4}
    for case in cases:
        await check_path(service, case.request["id"])
