"""A write that is sent again is answered again, and not done again: design section 5, "Replay"."""

import asyncio
import copy
import json
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from referral.api import claim as claim_door
from referral.api import create as create_door
from referral.api import delete as delete_door
from referral.api import moves, search, suggest_targets, validate
from referral.api import patch as patch_door
from referral.api import transaction as transaction_door
from referral.api import update as update_door
from referral.app import create_app, make_services
from referral.store.pool import Store
from tests.api.doors import DOORS, Door, Write, bundle, create, move, place, transaction, update, write
from tests.api.refusals import refused, rows
from tests.api.stored_versions import check_versions
from tests.conftest import Database, serve
from tests.factories import KIEN_AN, LE_CHAN, created, offered, patient, request
from tests.owner import behind_the_wall
from tests.running_service import RunningService

FIRST = ("content-type", "etag", "last-modified", "location")
NAMES = ["X_Request_ID", "Idempotency_Key"]
WRITES_NOTHING = {
    *(search.search, validate.validate),
    *(suggest_targets.suggest_for_draft, suggest_targets.suggest_for_stored),
    *(moves.moves_of_offer, moves.moves_of_referral),
}
ENDS = {"answer_once", "write_once"}


def new_id() -> str:
    return str(uuid.uuid4())


def check_same(first: httpx.Response, again: httpx.Response) -> None:
    """The second is the first one again, and says so."""
    assert "x-replayed" not in first.headers
    assert again.headers["X-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in FIRST:
        assert again.headers.get(name) == first.headers.get(name)


@pytest.fixture(scope="module")
async def other_replica(service: RunningService, demo_database: Database) -> AsyncIterator[RunningService]:
    """A second process on the database, which remembers nothing of the first."""
    async with serve(demo_database.dsn) as running:
        yield running


async def test_every_door_of_a_write_is_one_of_these(store: Store) -> None:
    app = create_app(make_services(store, "http://hub.example"))
    others = {route.endpoint for route in app.routes if route.path.startswith("/fhir") and route.methods}
    writes = {route for route in others if ENDS & set(route.__code__.co_names)}
    assert writes == {
        create_door.create,
        *(update_door.update, update_door.update_by_search),
        *(patch_door.patch, patch_door.patch_by_search),
        *(delete_door.delete, delete_door.delete_by_search),
        transaction_door.transaction,
        claim_door.claim,
    }
    for route in app.routes:
        if route.path.startswith("/fhir") and route.methods & {"POST", "PUT", "PATCH", "DELETE"}:
            assert route.endpoint in writes | WRITES_NOTHING, route.path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_each_door_answers_again(service: RunningService, door: Door, name: str) -> None:
    again = await door(service)
    headers = {name: new_id()}
    first = await again.send(**headers)
    assert first.status_code in {200, 201}, first.text
    before = await rows(service)
    for _ in range(2):
        check_same(first, await again.send(**headers))
    assert await rows(service) == before


@pytest.mark.parametrize("wanted", ["minimal", "representation", "OperationOutcome"])
@pytest.mark.parametrize("door", [create, transaction], ids=lambda door: door.__name__)
async def test_what_was_preferred_is_answered_again(service: RunningService, door: Door, wanted: str) -> None:
    again, name = await door(service), new_id()
    first = await again.send(X_Request_ID=name, Prefer=f"return={wanted}")
    check_same(first, await again.send(X_Request_ID=name, Prefer=f"return={wanted}"))
    check_same(first, await again.send(X_Request_ID=name))


async def test_the_first_answer_stands_when_the_resource_has_changed(service: RunningService) -> None:
    again, name = await create(service), new_id()
    first = await again.send(X_Request_ID=name)
    who = first.json()
    changed = await again.client.put(f"Patient/{who['id']}", json=who | {"gender": "male"})
    assert changed.status_code == 200
    check_same(first, await again.send(X_Request_ID=name))
    assert (await again.client.get(f"Patient/{who['id']}")).json()["gender"] == "male"
    assert await check_versions(service, "Patient", who["id"]) == 2


async def test_a_move_sent_again_is_no_stale_version(service: RunningService) -> None:
    again, name = await move(service), new_id()
    first = await again.send(X_Request_ID=name)
    task = first.json()
    if_match = {"If-Match": first.headers["ETag"]}
    arrived = await again.client.put(again.address, json=task | {"status": "in-progress"}, headers=if_match)
    assert arrived.status_code == 200, arrived.text
    check_same(first, await again.send(X_Request_ID=name))
    refused(await again.send(X_Request_ID=new_id()), 412, "conflict")
    assert await check_versions(service, "Task", task["id"]) == 3


async def test_another_body_under_the_same_request_id_is_another_write(service: RunningService) -> None:
    name, station = new_id(), await service.system(LE_CHAN)
    bodies = [patient() for _ in range(3)]
    found = [await write(station, "POST", "Patient", body).send(X_Request_ID=name) for body in bodies]
    assert [answer.status_code for answer in found] == [201] * 3
    assert len({answer.json()["id"] for answer in found}) == 3
    assert all("x-replayed" not in answer.headers for answer in found)
    for body, first in zip(bodies, found, strict=True):
        check_same(first, await write(station, "POST", "Patient", body).send(X_Request_ID=name))


async def test_the_same_body_on_another_version_is_another_write(service: RunningService) -> None:
    station, name = await service.system(LE_CHAN), new_id()
    who = await created(station, patient())
    male, female = who | {"gender": "male"}, who | {"gender": "female"}
    found = []
    for number, body in enumerate((male, female, male), 1):
        headers = {"If-Match": f'W/"{number}"', "X-Request-ID": name}
        answer = await station.put(f"Patient/{who['id']}", json=body, headers=headers)
        found.append((answer.status_code, answer.headers["ETag"], "X-Replayed" in answer.headers))
    assert found == [(200, 'W/"2"', False), (200, 'W/"3"', False), (200, 'W/"4"', False)]


async def test_another_address_under_the_same_request_id_is_another_write(service: RunningService) -> None:
    name, again = new_id(), await create(service)
    first = await again.send(X_Request_ID=name)
    elsewhere = Write(again.client, "POST", "Patient?_format=json", again.body)
    second = await elsewhere.send(X_Request_ID=name)
    assert second.status_code == 201
    assert "x-replayed" not in second.headers
    assert second.json()["id"] != first.json()["id"]


async def test_a_body_is_the_same_byte_for_byte(service: RunningService) -> None:
    again, name = await update(service), new_id()
    first = await again.send(Idempotency_Key=name)
    before = await rows(service)
    spaced = Write(again.client, again.method, again.address, again.body + b"\n")
    refused(await spaced.send(Idempotency_Key=name), 422, "business-rule")
    assert await rows(service) == before
    check_same(first, await again.send(Idempotency_Key=name))


async def test_an_idempotency_key_stands_for_one_request(service: RunningService) -> None:
    key, again = new_id(), await create(service)
    first = await again.send(Idempotency_Key=key)
    before = await rows(service)
    name = new_id()
    others = [
        await create(service),
        Write(again.client, "POST", "Patient?_format=json", again.body),
        write(again.client, "PUT", f"Patient/{name}", patient(id=name)),
        write(again.client, "POST", "", bundle(("POST", "Patient", patient()))),
    ]
    for other in others:
        refused(await other.send(Idempotency_Key=key), 422, "business-rule")
        # What gateways do to the request id changes nothing.
        refused(await other.send(Idempotency_Key=key, X_Request_ID=new_id()), 422, "business-rule")
    check_same(first, await again.send(Idempotency_Key=key, X_Request_ID=new_id()))
    assert await rows(service) == before


async def test_what_was_refused_may_be_tried_again(service: RunningService) -> None:
    station, name, key = await service.system(LE_CHAN), new_id(), new_id()
    absent = patient(id=new_id())
    who = absent["id"]
    asked = write(station, "POST", "ServiceRequest", request(who, KIEN_AN))
    refused(await asked.send(X_Request_ID=name), 422, "business-rule", "ServiceRequest.subject")
    refused(await asked.send(Idempotency_Key=key), 422, "business-rule", "ServiceRequest.subject")
    assert (await station.put(f"Patient/{who}", json=absent)).status_code == 201
    first = await asked.send(X_Request_ID=name)
    assert first.status_code == 201, first.text
    check_same(first, await asked.send(X_Request_ID=name))
    # A key whose request was refused is free for a better one.
    better = write(station, "POST", "ServiceRequest", request(who, KIEN_AN, priority="stat"))
    first = await better.send(Idempotency_Key=key)
    assert first.status_code == 201, first.text
    check_same(first, await better.send(Idempotency_Key=key))


@pytest.mark.parametrize(
    "values",
    [
        [b"\xc3\xa9 \xe6\x97\xa5"],
        [b"x" * 9000],
        [b'{"a": "b"}'],
        [b"one", b"two"],
        [b"one", b"one"],
        [b"a\tb"],
    ],
    ids=lambda values: str(values)[:20],
)
async def test_any_request_id_counts(service: RunningService, values: list[bytes]) -> None:
    again = await create(service)

    async def send(*ids: bytes) -> httpx.Response:
        headers = [(b"X-Request-ID", value) for value in ids]
        return await again.client.post("Patient", content=again.body, headers=headers)

    first = await send(*values)
    assert first.status_code == 201, first.text
    check_same(first, await send(*values))
    assert "x-replayed" not in (await send(*values, b"three")).headers


async def test_an_empty_request_id_is_none(service: RunningService) -> None:
    again = await create(service)
    found = [await again.send(X_Request_ID="") for _ in range(2)]
    assert [answer.status_code for answer in found] == [201, 201]
    assert found[0].json()["id"] != found[1].json()["id"]


@pytest.mark.parametrize("name", ["X-Request-ID", "Idempotency-Key"])
async def test_a_huge_id_is_refused_or_counts(service: RunningService, name: str) -> None:
    again = await create(service)
    found = []
    for _ in range(2):
        # A server may hang up on such a header.
        async with service.anonymous() as nobody:
            nobody.auth = again.client.auth
            try:
                found.append(
                    await nobody.post(
                        "/fhir/Patient",
                        content=again.body,
                        headers={name: "x" * 65_536, "Content-Type": "application/fhir+json"},
                    )
                )
            except httpx.TransportError:
                continue
    assert {answer.status_code for answer in found} <= {201, 400, 431}
    assert sum("x-replayed" not in answer.headers for answer in found if answer.status_code == 201) <= 1


@pytest.mark.parametrize(
    "values",
    [[b""], [b"a b"], [b"\xc3\xa9"], [b"x" * 256], [b"one", b"two"], [b"one", b"one"]],
    ids=lambda values: str(values)[:20],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_an_idempotency_key_that_promises_nothing_is_refused(
    station: httpx.AsyncClient, values: list[bytes]
) -> None:
    headers = [(b"Idempotency-Key", value) for value in values]
    for method, address in (("POST", "Patient"), ("PUT", "Patient/x1")):
        answer = await station.request(method, address, json=patient(id="x1"), headers=headers)
        refused(answer, 400, "invalid")
    answer = await station.post("", json=bundle(("POST", "Patient", patient())), headers=headers)
    refused(answer, 400, "invalid")


async def test_a_new_token_of_the_same_client_is_the_same_client(service: RunningService) -> None:
    again, name = await create(service), new_id()
    first = await again.send(X_Request_ID=name)
    renewed = copy.copy(again.client.auth)
    renewed._token = ""
    async with httpx.AsyncClient(base_url=again.client.base_url, auth=renewed, timeout=30) as client:
        client.headers["Content-Type"] = "application/fhir+json"
        check_same(
            first, await Write(client, again.method, again.address, again.body).send(X_Request_ID=name)
        )
    assert renewed._token != again.client.auth._token


@pytest.mark.parametrize("name", NAMES)
async def test_nobody_gets_the_answer_of_another_client(service: RunningService, name: str) -> None:
    again = await create(service)
    headers = {name: new_id()}
    first = await again.send(**headers)
    colleague = await service.system(LE_CHAN, scope="system/*.cru")
    for client in (colleague, await service.system(KIEN_AN)):
        answer = await Write(client, again.method, again.address, again.body).send(**headers)
        assert answer.status_code == 201
        assert "x-replayed" not in answer.headers
        assert answer.json()["id"] != first.json()["id"]
    check_same(first, await again.send(**headers))


async def test_token_and_scopes_are_checked_before_an_answer_is_given_again(
    service: RunningService, demo_database: Database
) -> None:
    async with await service.new_system(LE_CHAN, scope="system/Patient.c") as station:
        again, name = write(station, "POST", "Patient", patient()), new_id()
        first = await again.send(X_Request_ID=name)
    token = first.request.headers["Authorization"]
    headers = {"Authorization": token, "X-Request-ID": name, "Content-Type": "application/fhir+json"}

    async def from_the_other() -> httpx.Response:
        # A service that has not seen the token yet.
        async with serve(demo_database.dsn) as fresh, fresh.anonymous() as client:
            return await client.post("/fhir/Patient", content=again.body, headers=headers)

    check_same(first, await from_the_other())
    async with behind_the_wall(service.store) as owner:
        await owner.execute(
            "UPDATE access_token SET scope = 'system/Patient.r' WHERE hash = sha256($1)",
            token.removeprefix("Bearer ").encode(),
        )
    refused(await from_the_other(), 403, "forbidden")
    async with behind_the_wall(service.store) as owner:
        await owner.execute(
            "DELETE FROM access_token WHERE hash = sha256($1)", token.removeprefix("Bearer ").encode()
        )
    refused(await from_the_other(), 401, "login")


async def test_another_replica_gives_the_first_answer(
    service: RunningService, other_replica: RunningService
) -> None:
    again, name = await place(service), new_id()
    first = await again.send(X_Request_ID=name)
    async with httpx.AsyncClient(base_url=other_replica.fhir + "/", timeout=30) as client:
        client.headers.update(
            {
                "Authorization": first.request.headers["Authorization"],
                "Content-Type": "application/fhir+json",
            }
        )
        check_same(
            first, await Write(client, again.method, again.address, again.body).send(X_Request_ID=name)
        )


async def test_an_answer_that_nobody_read_is_given_again(service: RunningService) -> None:
    again, name = await place(service), new_id()
    token = (await again.client.get("Patient?_count=0")).request.headers["Authorization"]
    before = await rows(service)
    host = again.client.base_url
    _, sending = await asyncio.open_connection(host.host, host.port)
    head = (
        f"POST /fhir/ServiceRequest HTTP/1.1\r\nHost: {host.host}\r\nAuthorization: {token}\r\n"
        f"X-Request-ID: {name}\r\nContent-Type: application/fhir+json\r\n"
        f"Content-Length: {len(again.body)}\r\n\r\n"
    )
    sending.write(head.encode() + again.body)
    await sending.drain()
    for _ in range(1000):
        if await rows(service) != before:
            break
        await asyncio.sleep(0.01)
    sending.transport.abort()
    after = await rows(service)
    answer = await again.send(X_Request_ID=name)
    assert (answer.status_code, answer.headers["X-Replayed"]) == (201, "true")
    assert answer.json()["status"] == "active"
    assert await rows(service) == after
    assert await check_versions(service, "ServiceRequest", answer.json()["id"]) == 1


async def test_what_writes_nothing_is_not_kept(service: RunningService) -> None:
    case = await offered(service)
    name = new_id()
    for address, content in (
        (f"ServiceRequest/{case.request['id']}/$suggest-targets", {"resourceType": "Parameters"}),
        ("Patient/_search", None),
    ):
        asked = Write(
            case.sender,
            "POST",
            address,
            b"" if content is None else json.dumps(content).encode(),
        )
        for _ in range(2):
            answer = await asked.send(X_Request_ID=name, Idempotency_Key=name)
            assert answer.status_code == 200, answer.text
            assert "x-replayed" not in answer.headers


async def test_a_large_answer_is_kept_whole(service: RunningService) -> None:
    station, name = await service.system(LE_CHAN), new_id()
    who = await created(station, patient())
    # Hardly compressible, and close to the largest body.
    text = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(400_000))
    attached = {"contentType": "text/plain", "title": text}
    content = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{who['id']}"},
        "content": [{"attachment": attached}] * 4,
    }
    body = json.dumps(content, ensure_ascii=False).encode()
    again = Write(station, "POST", "DocumentReference", body)
    first = await again.send(X_Request_ID=name)
    assert first.status_code == 201, first.text[:500]
    check_same(first, await again.send(X_Request_ID=name))
