"""The versions of a resource, and the changes of a type: https://hl7.org/fhir/R4/http.html#history"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from referral.fhir.opaque_id import PLACE, number_behind
from tests.api.refusals import outcome, refused
from tests.factories import KIEN_AN, LE_CHAN, Resource, created, patient, rejected
from tests.owner import behind_the_wall
from tests.running_service import RunningService

QUIET = "vinh-bao-medical-centre"
"""No other test writes Conditions as this facility."""


async def pages(client: httpx.AsyncClient, address: str, **params: Any) -> AsyncIterator[Resource]:
    """Every Bundle of a history, by its next links."""
    answer = await client.get(address, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "history")
        yield bundle
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        if "next" not in links:
            return
        answer = await client.get(links["next"])


async def entries(client: httpx.AsyncClient, address: str, **params: Any) -> list[Resource]:
    return [entry async for bundle in pages(client, address, **params) for entry in bundle.get("entry", [])]


async def of_type(
    client: httpx.AsyncClient, resource_type: str, wanted: int, **params: Any
) -> list[Resource]:
    """The history of a type, once there are so many entries: a change waits for all that began before it."""
    for _ in range(200):
        found = await entries(client, f"{resource_type}/_history", **params)
        if len(found) >= wanted:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not {wanted} entries")


def told(entry: Resource) -> tuple[str, str, str, str]:
    request, response = entry["request"], entry["response"]
    return request["method"], request["url"], response["status"], response["etag"]


@pytest.fixture
async def changed(station: httpx.AsyncClient) -> list[Resource]:
    """The versions of a patient who was deleted in the end."""
    versions = [await created(station, patient())]
    for day in ("1961-05-05", "1961-05-06"):
        sent = await station.put(f"Patient/{versions[0]['id']}", json=versions[-1] | {"birthDate": day})
        versions.append(sent.json())
    assert (await station.delete(f"Patient/{versions[0]['id']}")).status_code == 204
    return versions


async def test_it_tells_each_request_as_it_was(service: RunningService) -> None:
    """What was made under an id of the client's, and what is there again: 201, by PUT."""
    office = await service.system(QUIET)
    posted = await created(office, {"resourceType": "Practitioner", "active": True})
    own, moment = f"kept-{posted['id']}", posted["meta"]["lastUpdated"]
    address = f"Practitioner/{own}"
    for active in (True, False):
        await office.put(address, json={"resourceType": "Practitioner", "id": own, "active": active})
    await office.delete(address)
    await office.put(address, json={"resourceType": "Practitioner", "id": own})
    patch = [{"op": "add", "path": "/active", "value": True}]
    await office.patch(address, json=patch, headers={"Content-Type": "application/json-patch+json"})
    expected = [
        ("PUT", address, "200 OK", 'W/"5"'),
        ("PUT", address, "201 Created", 'W/"4"'),
        ("DELETE", address, "204 No Content", 'W/"3"'),
        ("PUT", address, "200 OK", 'W/"2"'),
        ("PUT", address, "201 Created", 'W/"1"'),
    ]
    assert [told(entry) for entry in await entries(office, f"{address}/_history")] == expected
    of_both = [
        told(entry)
        for entry in await of_type(office, "Practitioner", 6, _since=moment)
        if entry["fullUrl"].endswith((own, posted["id"]))
    ]
    assert of_both == [*expected, ("POST", "Practitioner", "201 Created", 'W/"1"')]


async def test_a_resource_has_its_versions_the_last_one_first(
    service: RunningService, station: httpx.AsyncClient, changed: list[Resource]
) -> None:
    address = f"Patient/{changed[0]['id']}"
    found = await entries(station, f"{address}/_history")
    assert [told(entry) for entry in found] == [
        ("DELETE", address, "204 No Content", 'W/"4"'),
        ("PUT", address, "200 OK", 'W/"3"'),
        ("PUT", address, "200 OK", 'W/"2"'),
        ("POST", "Patient", "201 Created", 'W/"1"'),
    ]
    assert [entry.get("resource") for entry in found] == [None, *reversed(changed)]
    for entry in found[1:]:
        assert entry["response"]["lastModified"] == entry["resource"]["meta"]["lastUpdated"]
    assert {entry["fullUrl"] for entry in found} == {f"{service.fhir}/{address}"}


async def test_pages_of_a_resource_neither_skip_nor_repeat(
    station: httpx.AsyncClient, changed: list[Resource]
) -> None:
    address = f"Patient/{changed[0]['id']}/_history"
    whole = await entries(station, address)
    for count in (1, 2, 3, 4, 5, 10**8):
        assert await entries(station, address, _count=count) == whole
    assert [len(bundle["entry"]) async for bundle in pages(station, address, _count=3)] == [3, 1]


async def test_since_leaves_out_what_was_before(station: httpx.AsyncClient, changed: list[Resource]) -> None:
    address = f"Patient/{changed[0]['id']}/_history"
    since = changed[2]["meta"]["lastUpdated"]
    found = await entries(station, address, _since=since)
    assert next(entry["response"]["etag"] for entry in found if "resource" in entry) == 'W/"3"'
    assert all(entry["response"]["lastModified"] >= since for entry in found)
    assert await entries(station, address, _since="2999") == []
    assert len(await entries(station, address, _since="2000-01-01")) == 4


async def test_a_type_has_its_changes_in_the_order_of_their_commits(service: RunningService) -> None:
    client, began = await service.system(QUIET), datetime.now(UTC).isoformat()
    who = (await created(client, patient()))["id"]
    subject = {"reference": f"Patient/{who}"}
    made = [
        await created(client, {"resourceType": "Condition", "subject": subject, "code": {"text": f"{n}"}})
        for n in range(3)
    ]
    first = f"Condition/{made[0]['id']}"
    sent = await client.put(first, json=made[0] | {"code": {"text": "again"}})
    await client.delete(f"Condition/{made[1]['id']}")
    found = await of_type(client, "Condition", 5)
    assert [told(entry) for entry in found] == [
        ("DELETE", f"Condition/{made[1]['id']}", "204 No Content", 'W/"2"'),
        ("PUT", first, "200 OK", 'W/"2"'),
        *[("POST", "Condition", "201 Created", 'W/"1"')] * 3,
    ]
    assert [entry.get("resource") for entry in found] == [None, sent.json(), made[2], made[1], made[0]]
    for count in (1, 2, 5):
        assert await entries(client, "Condition/_history", _count=count) == found
    assert await entries(client, "Condition/_history", _since=began) == found
    since = made[2]["meta"]["lastUpdated"]
    later = await entries(client, "Condition/_history", _since=since, _count=2)
    assert later == [entry for entry in found if entry["response"]["lastModified"] >= since]
    assert await entries(client, "Condition/_history", _since="2999-01-01") == []


async def test_the_directory_has_a_history_for_its_members(service: RunningService) -> None:
    hospital, began = await service.system(KIEN_AN), datetime.now(UTC).isoformat()
    made = await created(hospital, {"resourceType": "Practitioner", "name": [{"family": "Phạm"}]})
    found = await of_type(await service.system(LE_CHAN), "Practitioner", 1, _since=began)
    assert made in [entry.get("resource") for entry in found]


async def test_a_cursor_tells_nothing_of_what_others_write(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    await of_type(station, "Patient", 1)
    await created(station, patient())
    await of_type(station, "Patient", 2)
    bundle = (await station.get("Patient/_history", params={"_count": 1})).json()
    following = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    cursor = httpx.URL(following).params["_cursor"]
    about, *places = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    numbers = [number_behind(service.store.id_key, PLACE, place) for place in places]
    async with behind_the_wall(service.store) as connection:
        row = await connection.fetchrow("SELECT txid::text FROM change WHERE seq = $1", numbers[1] - 1)
    assert (about, row["txid"]) == ("Patient", str(numbers[0] - 1))


async def test_only_what_is_seen_now_is_told(service: RunningService) -> None:
    case, seen = await rejected(service)
    mine = await of_type(case.sender, "Observation", 1)
    assert seen["id"] in {entry["fullUrl"].rpartition("/")[2] for entry in mine}
    theirs = await entries(case.receiver, "Observation/_history")
    assert seen["id"] not in {entry["fullUrl"].rpartition("/")[2] for entry in theirs}
    refused(await case.receiver.get(f"Observation/{seen['id']}/_history"), 404, "not-found")
    assert await entries(case.receiver, f"ServiceRequest/{case.request['id']}/_history")


@pytest.mark.parametrize("address", ["Patient/nobody/_history", f"Patient/{'x' * 65}/_history"])
async def test_what_never_was_has_no_history(station: httpx.AsyncClient, address: str) -> None:
    refused(await station.get(address), 404, "not-found")
    refused(await station.get(address, params={"_since": "2999"}), 404, "not-found")


def forged(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "params",
    [
        *({"_count": each} for each in ("0", "-1", "x", "1e3", "10000000000", "٣")),
        *({"_since": each} for each in ("yesterday", "2026-13-01", "'; DROP TABLE change; --", "\x00")),
        *({"_at": "2026"}, {"_list": "List/1"}, {"name": "x"}, {"_sort": "-_lastUpdated"}, {"\x00": "1"}),
        *({"_cursor": each} for each in ("x", "=", "é", "W10", "[" * 300, "A" * 500)),
        *(
            {"_cursor": forged(each)}
            for each in (
                [],
                {},
                1,
                ["Patient"],
                ["Patient", 1],
                ["Patient", 1, 1, -1],
                ["Patient", 1, 1, 2**63],
                ["Patient", 1, True, 1],
                ["Patient", "1", 1, 1],
                ["Patient", 1, 1, 1],
                ["Patient", *["0123456789abcde"] * 3],
                ["Task", 1, 1, 1],
                ["Patient/nobody", 1],
            )
        ),
    ],
    ids=lambda params: f"{next(iter(params))!r} {str(next(iter(params.values())))[:12]!r}",
)
async def test_what_cannot_be_meant_is_refused(
    station: httpx.AsyncClient, who: str, params: dict[str, str]
) -> None:
    for address in ("Patient/_history", f"Patient/{who}/_history"):
        answer = await station.get(address, params=params)
        assert [issue["code"] for issue in outcome(answer)] == ["invalid"], answer.text
        assert answer.status_code == 400


async def test_everything_wrong_is_told_at_once_and_the_unknown_may_be_passed_over(
    station: httpx.AsyncClient, who: str
) -> None:
    address = f"Patient/{who}/_history"
    wrong = [("_count", "x"), ("_since", "x"), ("_at", "2026"), ("_count", "2")]
    answer = await station.get(address, params=wrong)
    assert len(outcome(answer)) == 4
    lenient = await station.get(address, params={"_at": "2026"}, headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 200
    assert lenient.json()["link"] == [{"relation": "self", "url": str(lenient.url).partition("?")[0]}]


async def test_the_cursor_of_another_leads_to_what_one_sees_oneself(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    for _ in range(2):
        await created(station, patient())
    await of_type(station, "Patient", 2)
    bundle = (await station.get("Patient/_history", params={"_count": 1})).json()
    (following,) = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    mine = {entry["fullUrl"] for entry in await entries(station, following)}
    stranger = await service.system("tien-lang-medical-centre")
    theirs = {entry["fullUrl"] for entry in await entries(stranger, following)}
    assert mine
    assert not theirs


async def test_the_history_of_a_type_needs_the_right_to_search(service: RunningService, who: str) -> None:
    reader = await service.system(LE_CHAN, "system/Patient.r")
    searcher = await service.system(LE_CHAN, "system/Patient.s")
    assert (await reader.get(f"Patient/{who}/_history")).status_code == 200
    assert (await searcher.get("Patient/_history")).status_code == 200
    refused(await reader.get("Patient/_history"), 403, "forbidden")
    refused(await searcher.get(f"Patient/{who}/_history"), 403, "forbidden")
    refused(await reader.get("Banana/_history"), 404, "not-supported")
