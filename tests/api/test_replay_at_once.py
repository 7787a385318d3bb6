"""Sixteen connections send the same write at the same instant: always one result, in the store too."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from tests.api.doors import DOORS, Door, Write, create, transaction, write
from tests.api.legal_path import check_path
from tests.api.refusals import rows
from tests.api.stored_versions import check_versions, ids_of
from tests.conftest import Database, serve
from tests.factories import AN_LAO, KIEN_AN, LE_CHAN, created, offered, patient, request
from tests.running_service import RunningService

AT_ONCE = 16


def new_id() -> str:
    return str(uuid.uuid4())


async def at_once(write: Write, times: int = AT_ONCE, **headers: str) -> list[httpx.Response]:
    """The answers to twins; none of them a fault."""
    return check_none_is_a_fault(await asyncio.gather(*(write.send(**headers) for _ in range(times))))


def check_none_is_a_fault(answers: list[httpx.Response]) -> list[httpx.Response]:
    for answer in answers:
        assert answer.status_code < 500, answer.text
    return answers


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def check_one_result(answers: list[httpx.Response]) -> httpx.Response:
    """The one answer that was given first; all others are it again."""
    (first,) = [answer for answer in answers if "x-replayed" not in answer.headers]
    assert first.status_code in {200, 201}, first.text
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (first.status_code, first.content)
    }
    assert len({answer.headers.get("location") for answer in answers}) == 1
    return first


async def change(service: RunningService, before: dict[str, int]) -> dict[str, int]:
    """The rows that came since."""
    after = await rows(service)
    return {table: after[table] - before[table] for table in after}


@pytest.mark.parametrize("name", ["X_Request_ID", "Idempotency_Key"])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_twins_leave_what_one_leaves(service: RunningService, door: Door, name: str) -> None:
    alone, many = await door(service), await door(service)
    before = await rows(service)
    assert (await alone.send()).is_success
    of_one = await change(service, before)
    before = await rows(service)
    check_one_result(await at_once(many, **{name: new_id()}))
    assert await change(service, before) == of_one


async def test_twins_at_two_processes(service: RunningService, demo_database: Database) -> None:
    here, name = await transaction(service), new_id()
    token = (await here.client.get("Patient?_count=0")).request.headers["Authorization"]
    headers = {"Authorization": token, "Content-Type": "application/fhir+json"}
    async with (
        serve(demo_database.dsn) as other,
        httpx.AsyncClient(base_url=other.fhir + "/", headers=headers, timeout=30) as client,
    ):
        there = Write(client, here.method, here.address, here.body)
        answers = await asyncio.gather(
            *((here, there)[turn % 2].send(X_Request_ID=name) for turn in range(AT_ONCE))
        )
    check_one_result(answers)


async def test_twins_of_several_writes_among_each_other(service: RunningService) -> None:
    doors = [await door(service) for door in (create, transaction, create, transaction)]
    names = [new_id() for _ in doors]
    answers = await asyncio.gather(
        *(doors[turn % 4].send(X_Request_ID=names[turn % 4]) for turn in range(2 * AT_ONCE))
    )
    for place in range(4):
        check_one_result(answers[place::4])


async def test_twins_with_different_bodies_under_one_key(service: RunningService) -> None:
    writes, key = [await create(service) for _ in range(4)], new_id()
    answers = check_none_is_a_fault(
        await asyncio.gather(*(writes[turn % 4].send(Idempotency_Key=key) for turn in range(AT_ONCE)))
    )
    assert statuses(answers) == {201: 4, 422: 12}
    (won,) = [place for place in range(4) if answers[place].status_code == 201]
    check_one_result(answers[won::4])
    stored = [
        await ids_of(service, "Patient", json.loads(each.body)["identifier"][0]["value"]) for each in writes
    ]
    assert [len(ids) for ids in stored] == [int(place == won) for place in range(4)]


async def test_twins_of_a_write_that_is_refused(service: RunningService) -> None:
    station = await service.system(LE_CHAN)
    asked = write(station, "POST", "ServiceRequest", request(new_id(), KIEN_AN))
    before = await rows(service)
    assert statuses(await at_once(asked, X_Request_ID=new_id())) == {422: AT_ONCE}
    assert await rows(service) == before


async def test_the_senders_own_number_without_a_header(service: RunningService) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    own = {"system": "urn:test:at-once", "value": new_id()}
    asked = write(station, "POST", "ServiceRequest", request(who["id"], KIEN_AN, identifier=[own]))
    answers = await at_once(asked)
    assert statuses(answers) == {201: 1, 409: AT_ONCE - 1}
    (first,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert await ids_of(service, "ServiceRequest", own["value"]) == {first["id"]}
    assert await check_versions(service, "ServiceRequest", first["id"]) == 1
    await check_path(service, first["id"])


async def test_one_id_is_created_once(service: RunningService) -> None:
    station, name = await service.system(LE_CHAN), new_id()
    asked = write(station, "PUT", f"Patient/{name}", patient(id=name))
    found = statuses(await at_once(asked))
    # Who comes later changes nothing, or came in the same moment.
    assert found[201] == 1
    assert found.keys() <= {200, 201, 412}
    assert await check_versions(service, "Patient", name) == 1


async def test_one_version_has_one_successor(service: RunningService) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    writes = [
        write(station, "PUT", f"Patient/{who['id']}", who | {"birthDate": f"19{20 + turn}"}, If_Match='W/"1"')
        for turn in range(4)
    ]
    names = [new_id() for _ in writes]
    answers = check_none_is_a_fault(
        await asyncio.gather(
            *(writes[turn % 4].send(X_Request_ID=names[turn % 4]) for turn in range(AT_ONCE))
        )
    )
    assert statuses(answers) == {200: 4, 412: 12}
    (won,) = [place for place in range(4) if answers[place].status_code == 200]
    check_one_result(answers[won::4])
    assert await check_versions(service, "Patient", who["id"]) == 2


async def test_two_moves_of_one_offer_each_sent_by_many(service: RunningService) -> None:
    case = await offered(service)
    task = await case.task()
    moves: list[dict[str, Any]] = [
        {"status": "accepted"},
        {"status": "rejected", "statusReason": {"text": "No bed"}},
    ]
    writes = [
        write(case.receiver, "PUT", f"Task/{case.offer_id}", task | each, If_Match='W/"1"') for each in moves
    ]
    keys = [new_id(), new_id()]
    answers = check_none_is_a_fault(
        await asyncio.gather(
            *(writes[turn % 2].send(Idempotency_Key=keys[turn % 2]) for turn in range(AT_ONCE))
        )
    )
    assert statuses(answers) == {200: AT_ONCE // 2, 412: AT_ONCE // 2}
    (won,) = [place for place in range(2) if answers[place].status_code == 200]
    check_one_result(answers[won::2])
    assert (await case.task())["status"] == moves[won]["status"]
    assert await check_versions(service, "Task", case.offer_id) == 2
    await check_path(service, case.request["id"])


async def test_one_referral_has_one_offer_whoever_sends_it_twice(service: RunningService) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": f"ServiceRequest/{asked['id']}"},
    }
    writes = [
        write(station, "POST", "Task", task | {"owner": {"reference": f"Organization/{owner}"}})
        for owner in (KIEN_AN, AN_LAO)
    ]
    names = [new_id(), new_id()]
    answers = check_none_is_a_fault(
        await asyncio.gather(
            *(writes[turn % 2].send(X_Request_ID=names[turn % 2]) for turn in range(AT_ONCE))
        )
    )
    assert statuses(answers) == {201: AT_ONCE // 2, 409: AT_ONCE // 2}
    won = next(place for place in range(2) if answers[place].status_code == 201)
    check_one_result(answers[won::2])
    await check_path(service, asked["id"])


# Conditional create ------------------------------------------------------------------------------


async def test_of_many_conditional_creates_one_creates(service: RunningService) -> None:
    # Two clients of one facility.
    clients = [await service.system(LE_CHAN), await service.system(LE_CHAN, scope="system/*.crus")]
    content = patient()
    number = content["identifier"][0]["value"]
    # The same condition, written in two ways.
    conditions = [f"identifier=urn:test:patient|{number}", f"identifier=urn%3Atest%3Apatient%7C{number}"]
    writes = [write(client, "POST", "Patient", content) for client in clients]
    answers = check_none_is_a_fault(
        await asyncio.gather(
            *(writes[turn % 2].send(If_None_Exist=conditions[turn // 2 % 2]) for turn in range(AT_ONCE))
        )
    )
    assert statuses(answers) == {201: 1, 200: AT_ONCE - 1}
    (made,) = {answer.json()["id"] for answer in answers}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert await ids_of(service, "Patient", number) == {made}
    assert await check_versions(service, "Patient", made) == 1


async def test_twins_of_a_conditional_create(service: RunningService) -> None:
    content = patient()
    number = content["identifier"][0]["value"]
    asked = write(await service.system(LE_CHAN), "POST", "Patient", content)
    answers = await at_once(asked, X_Request_ID=new_id(), If_None_Exist=f"identifier={number}")
    assert check_one_result(answers).status_code == 201
    assert len(await ids_of(service, "Patient", number)) == 1


async def test_conditional_creates_in_transactions_that_name_them_in_another_order(
    service: RunningService,
) -> None:
    station = await service.system(LE_CHAN)
    people = [patient() for _ in range(3)]

    def transaction_of(order: list[dict[str, Any]]) -> Write:
        entries = [
            {
                "resource": each,
                "request": {
                    "method": "POST",
                    "url": "Patient",
                    "ifNoneExist": f"identifier={each['identifier'][0]['value']}",
                },
            }
            for each in order
        ]
        return write(station, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})

    ways = [transaction_of(people), transaction_of(people[::-1])]
    answers = check_none_is_a_fault(await asyncio.gather(*(ways[turn % 2].send() for turn in range(AT_ONCE))))
    assert statuses(answers) == {200: AT_ONCE}
    told = Counter(entry["response"]["status"] for answer in answers for entry in answer.json()["entry"])
    assert told == {"201 Created": 3, "200 OK": 3 * (AT_ONCE - 1)}
    for each in people:
        assert len(await ids_of(service, "Patient", each["identifier"][0]["value"])) == 1
