"""Updates, patches and deletes of what a search finds: https://hl7.org/fhir/R4/http.html#cond-update"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.api.refusals import refused, rows
from tests.factories import KIEN_AN, LE_CHAN, Resource, created, offered, patient, request
from tests.running_service import RunningService

PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def number() -> str:
    return uuid.uuid4().hex


def with_number(value: str, **more: str) -> Resource:
    return patient(identifier=[{"system": "urn:test:patient", "value": value}], **more)


async def test_none_is_created_and_one_is_updated(station: httpx.AsyncClient, number: str) -> None:
    address = f"Patient?identifier=urn:test:patient|{number}"
    first = await station.put(address, json=with_number(number))
    assert (first.status_code, first.headers["etag"]) == (201, 'W/"1"')
    assert (await station.get(first.headers["location"])).json() == first.json()
    second = await station.put(f"{address}&_format=json", json=with_number(number, birthDate="1990"))
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert (second.json()["id"], second.json()["birthDate"]) == (first.json()["id"], "1990")


async def test_the_id_in_the_body_is_that_of_what_is_meant(station: httpx.AsyncClient, number: str) -> None:
    address, own = f"Patient?identifier={number}", f"own-{number}"
    made = await station.put(address, json=with_number(number, id=own))
    assert (made.status_code, made.json()["id"]) == (201, own)
    assert (await station.put(address, json=with_number(number, id=own))).status_code == 200
    other = with_number(number, id="other")
    refused(await station.put(address, json=other), 400, "invalid", "Patient.id")
    refused(await station.put(address, json=with_number(number, id="x" * 65)), 400, "invalid", "Patient.id")


async def test_several_are_refused_whatever_is_to_be_done(
    service: RunningService, station: httpx.AsyncClient, number: str
) -> None:
    for _ in range(2):
        await created(station, with_number(number))
    before = await rows(service)
    address = f"Patient?identifier={number}"
    refused(await station.put(address, json=with_number(number)), 412, "multiple-matches")
    refused(await _patch(station, address), 412, "multiple-matches")
    refused(await station.delete(address), 412, "multiple-matches")
    assert await rows(service) == before


async def test_one_is_patched_or_deleted_and_none_is_not(station: httpx.AsyncClient, number: str) -> None:
    address = f"Patient?identifier={number}"
    change = [{"op": "replace", "path": "/birthDate", "value": "1990"}]
    refused(await station.patch(address, json=change, headers=PATCH), 404, "not-found")
    assert (await station.delete(address)).status_code == 204
    made = await created(station, with_number(number))
    changed = await station.patch(address, json=change, headers=PATCH)
    assert (changed.status_code, changed.json()["birthDate"]) == (200, "1990")
    refused(await station.delete(address, headers={"If-Match": 'W/"1"'}), 412, "conflict")
    assert (await station.delete(address, headers={"If-Match": 'W/"2"'})).status_code == 204
    refused(await station.get(f"Patient/{made['id']}"), 410, "deleted")


async def test_what_is_hidden_is_not_found(service: RunningService, number: str) -> None:
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    mine = await created(station, with_number(number))
    theirs = await hospital.put(f"Patient?identifier={number}", json=with_number(number))
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine["id"]
    assert (await station.get(f"Patient/{mine['id']}")).json() == mine


async def test_a_referral_is_updated_by_its_number_and_version(service: RunningService) -> None:
    case = await offered(service)
    found = [i["value"] for i in case.request["identifier"] if i["value"].startswith("HP")]
    address = f"ServiceRequest?identifier={found[0]}"
    raised = case.request | {"priority": "stat"}
    refused(await case.sender.put(address, json=raised), 428, "required")
    changed = await case.sender.put(address, json=raised, headers={"If-Match": 'W/"1"'})
    assert (changed.status_code, changed.json()["priority"]) == (200, "stat")


async def test_a_new_referral_gets_an_id_of_the_hub(
    station: httpx.AsyncClient, who: str, number: str
) -> None:
    asked = request(who, identifier=[{"system": "urn:test:order", "value": number}])
    address = f"ServiceRequest?identifier=urn:test:order|{number}"
    refused(await station.put(address, json=asked | {"id": "mine"}), 405, "not-supported")
    made = await station.put(address, json=asked)
    assert made.status_code == 201
    other = await station.put(f"Patient?identifier={number}", json=patient(), headers={"If-Match": 'W/"1"'})
    refused(other, 412, "conflict")


Send = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


async def _put(client: httpx.AsyncClient, address: str) -> httpx.Response:
    return await client.put(address, json=patient())


async def _patch(client: httpx.AsyncClient, address: str) -> httpx.Response:
    return await client.patch(address, json=[], headers=PATCH)


async def _delete(client: httpx.AsyncClient, address: str) -> httpx.Response:
    return await client.delete(address)


@pytest.mark.parametrize("send", [_put, _patch, _delete])
@pytest.mark.usefixtures("nothing_stored")
async def test_a_condition_has_criteria_and_nothing_else(
    service: RunningService, station: httpx.AsyncClient, send: Send
) -> None:
    for query in ("", "?", "?_count=1", "?identifier=", "?banana=1", "?_sort=_id&gender=male", "?%FF=1"):
        refused(await send(station, f"Patient{query}"), 400, "invalid")
    refused(await send(station, "Banana?identifier=1"), 404, "not-supported")
    for scope in ("system/*.crud", "system/*.rs"):
        limited = await service.system(LE_CHAN, scope)
        refused(await send(limited, "Patient?identifier=nobody"), 403, "forbidden")
    limited = await service.system(LE_CHAN, "system/Patient.cruds")
    for behind in ("organization.name=x", "_has:Observation:patient:code=x"):
        refused(await send(limited, f"Patient?{behind}"), 403, "forbidden")


async def test_who_may_only_update_makes_nothing_new(service: RunningService, number: str) -> None:
    limited = await service.system(LE_CHAN, "system/Patient.ru")
    refused(await limited.put(f"Patient/no-{number}", json=patient(id=f"no-{number}")), 403, "forbidden")
    station = await service.system(LE_CHAN)
    made = await created(station, patient())
    assert (await limited.put(f"Patient/{made['id']}", json=made | {"active": True})).status_code == 200


async def test_what_must_not_be_there_is_made_once(
    service: RunningService, station: httpx.AsyncClient, number: str
) -> None:
    fresh, address, own = (
        {"If-None-Match": "*"},
        f"Patient/new-{number}",
        with_number(number, id=f"new-{number}"),
    )
    assert (await station.put(address, json=own, headers=fresh)).status_code == 201
    before = await rows(service)
    refused(await station.put(address, json=own, headers=fresh), 412, "conflict")
    by_search = f"Patient?identifier={number}"
    refused(await station.put(by_search, json=with_number(number), headers=fresh), 412, "conflict")
    entry = {"request": {"method": "PUT", "url": address, "ifNoneMatch": "*"}, "resource": own}
    content = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    refused(await station.post("", json=content), 412, "conflict", "Bundle.entry[0].resource")
    for headers in ({"If-None-Match": 'W/"1"'}, fresh | {"If-Match": 'W/"1"'}):
        refused(await station.put(address, json=own, headers=headers), 400, "invalid")
    asked = request("x", id=f"new-{number}", subject={"reference": address})
    referral = await station.put(f"ServiceRequest/new-{number}", json=asked, headers=fresh)
    refused(referral, 405, "not-supported")
    assert await rows(service) == before
    made = await station.put(f"Patient?identifier=x{number}", json=with_number(f"x{number}"), headers=fresh)
    assert made.status_code == 201


async def test_what_creates_needs_the_right_to_create(service: RunningService, number: str) -> None:
    limited = await service.system(LE_CHAN, "system/*.rus")
    address = f"Patient?identifier={number}"
    refused(await limited.put(address, json=with_number(number)), 403, "forbidden")
    await created(await service.system(LE_CHAN), with_number(number))
    assert (await limited.put(address, json=with_number(number))).status_code == 200


async def test_two_at_once_make_one(service: RunningService, station: httpx.AsyncClient, number: str) -> None:
    sends = (station.put(f"Patient?identifier={number}", json=with_number(number)) for _ in range(4))
    answers = await asyncio.gather(*sends)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
