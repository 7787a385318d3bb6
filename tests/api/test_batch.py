"""Each entry of a Bundle by itself: https://hl7.org/fhir/R4/http.html#brules"""

import base64
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.api.audited import audited, named
from tests.api.refusals import refused, rows
from tests.api.test_transaction import bundle, post, put
from tests.factories import LE_CHAN, Resource, created, observation, offered, patient
from tests.running_service import RunningService


def ask(method: str, url: str, resource: Resource | None = None, **conditions: str) -> Resource:
    entry: Resource = {"request": {"method": method, "url": url} | conditions}
    return entry if resource is None else entry | {"resource": resource}


async def sent(client: httpx.AsyncClient, *entries: Resource, **headers: str) -> list[Resource]:
    answer = await client.post("", json=bundle(*entries, type="batch"), headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["resourceType"], found["type"]) == ("Bundle", "batch-response")
    return list(found.get("entry", []))


def told(entry: Resource) -> tuple[str, str | None]:
    """Status and the code of the issue."""
    response = entry["response"]
    return response["status"][:3], response["outcome"]["issue"][0]["code"] if "outcome" in response else None


async def test_each_entry_has_its_own_outcome(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    seen = await created(station, observation(who))
    found = await sent(
        station,
        ask("GET", f"Patient/{who}"),
        ask("GET", f"Observation?patient={who}&_count=1"),
        ask("GET", "Patient/nobody"),
        post(patient()),
        post(observation("nobody")),
        put(patient(id=who, birthDate="1990"), 'W/"7"'),
        post(patient(banana=1)),
        ask("DELETE", f"Observation/{seen['id']}"),
        ask("GET", "Banana"),
        ask("GET", "Patient?banana=1"),
        ask("POST", f"Patient/_search?_id={who}"),
        ask("GET", f"Patient/{who}/_history/1"),
        ask("GET", f"Patient/{who}/_history"),
        ask("GET", "metadata"),
        ask("HEAD", f"Patient/{who}"),
    )
    assert [told(entry) for entry in found] == [
        ("200", None),
        ("200", None),
        ("404", "not-found"),
        ("201", None),
        ("422", "business-rule"),
        ("412", "conflict"),
        ("400", "invalid"),
        ("204", None),
        ("404", "not-supported"),
        ("400", "invalid"),
        ("200", None),
        ("200", None),
        ("200", None),
        ("200", None),
        ("200", None),
    ]
    made = found[3]["response"]
    assert made["location"] == f"{found[3]['fullUrl']}/_history/1"
    assert made["etag"] == 'W/"1"'
    assert found[3]["resource"] == (await station.get(found[3]["fullUrl"])).json()
    assert found[3]["resource"]["meta"]["lastUpdated"][:19] == made["lastModified"][:19]
    # What is deleted is deleted before anything is asked.
    assert "entry" not in found[1]["resource"]
    assert (found[0]["resource"]["id"], found[0]["response"]["etag"]) == (who, 'W/"1"')
    kinds = [found[place]["resource"]["resourceType"] for place in (10, 11, 12, 13)]
    assert kinds == ["Bundle", "Patient", "Bundle", "CapabilityStatement"]
    assert "resource" not in found[14]
    issue = found[6]["response"]["outcome"]["issue"][0]
    assert issue["expression"] == ["Patient.banana"]


async def test_conditions_of_entries_are_those_of_requests(station: httpx.AsyncClient) -> None:
    number = uuid.uuid4().hex
    identified = patient(identifier=[{"system": "urn:test:patient", "value": number}])
    (made,) = await sent(station, ask("POST", "Patient", identified, ifNoneExist=f"identifier={number}"))
    address = f"Patient/{made['resource']['id']}"
    data = base64.b64encode(b'[{"op": "replace", "path": "/birthDate", "value": "1990"}]').decode()
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    other = patch | {"contentType": "text/plain"}
    found = await sent(
        station,
        ask("POST", "Patient", identified, ifNoneExist=f"identifier={number}"),
        ask("PUT", f"Patient?identifier={number}", identified | {"language": "vi"}),
        ask("PATCH", address, patch, ifMatch='W/"2"'),
        ask("PATCH", address, other),
        ask("GET", address, ifNoneMatch='W/"3"'),
        ask("GET", address, ifModifiedSince="2001-01-01T00:00:00+07:00"),
        ask("GET", address, ifModifiedSince="2999-01-01T00:00:00Z"),
        ask("DELETE", f"Patient?identifier={number}x"),
    )
    statuses = [entry["response"]["status"][:3] for entry in found]
    assert statuses == ["200", "200", "200", "415", "304", "200", "304", "204"]
    assert found[5]["resource"]["birthDate"] == "1990"
    assert "resource" not in found[4]


async def test_an_address_may_be_written_in_full(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    found = await sent(
        station,
        ask("GET", f"{service.fhir}/Patient/{who}"),
        ask("GET", f"/Patient/{who}"),
        ask("GET", f"https://elsewhere.example/fhir/Patient/{who}"),
        ask("GET", "../metrics"),
        ask("GET", "Patient/%2e%2e/%2e%2e/metrics"),
        ask("GET", "Patient?name=Tr%E1%BA%A7n&_count=1"),
        ask("GET", "Patient?name=Trần&_count=1"),
        ask("GET", "Patient?_format=xml"),
    )
    assert [entry["response"]["status"][:3] for entry in found] == [
        *("200", "200", "404", "404", "404", "200", "200", "406"),
    ]


@pytest.mark.parametrize("url", ["", "/", "?x=1", "{base}", "{base}/"])
async def test_a_batch_holds_no_other(service: RunningService, station: httpx.AsyncClient, url: str) -> None:
    inner = bundle(post(patient()), type="batch")
    before = await rows(service)
    address = url.format(base=service.fhir)
    if not address:
        content = bundle({"request": {"method": "POST", "url": ""}, "resource": inner}, type="batch")
        refused(await station.post("", json=content), 400, "invalid", "Bundle.entry[0].request.url")
        return
    (found,) = await sent(station, ask("POST", address, inner))
    assert told(found) == ("404", "not-supported")
    assert await rows(service) == before


@pytest.mark.parametrize(
    ("entry", "status", "expression"),
    [
        ({"resource": patient()}, 422, "request"),
        ({"request": {"url": "Patient"}}, 422, "request.method"),
        ({"request": {"method": "GET"}}, 422, "request.url"),
        ({"request": {"method": "FETCH", "url": "Patient"}}, 400, "request.method"),
        ({"request": {"method": "GET", "url": 1}}, 400, "request.url"),
        ({"request": [], "resource": patient()}, 400, "request"),
        ({"request": {"method": "GET", "url": "Patient", "banana": 1}}, 400, "request.banana"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("nothing_stored")
async def test_a_batch_that_is_none_is_refused_whole(
    station: httpx.AsyncClient, entry: Any, status: int, expression: str
) -> None:
    answer = await station.post("", json=bundle(post(patient()), entry, type="batch"))
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"] == [f"Bundle.entry[1].{expression}"]


async def test_entries_that_are_no_resources_are_refused_each(station: httpx.AsyncClient) -> None:
    found = await sent(
        station,
        {"request": {"method": "POST", "url": "Patient"}, "resource": 7},
        {"request": {"method": "PATCH", "url": "Patient/1"}, "resource": []},
        {"request": {"method": "POST", "url": "Patient"}},
        post(patient()),
    )
    assert [entry["response"]["status"][:3] for entry in found] == ["400", "415", "415", "201"]


async def test_an_empty_batch(station: httpx.AsyncClient) -> None:
    assert await sent(station) == []


async def test_each_entry_leaves_its_record(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    headers = named()
    await sent(
        station,
        ask("GET", f"Patient/{who}"),
        post(patient()),
        ask("GET", "Task?status=requested"),
        ask("GET", "Patient/nobody"),
        **headers,
    )
    expected = [("read", 200, who), ("create", 200, None), ("search", 200, None), ("read", 404, "nobody")]
    for place, (action, status, name) in enumerate(expected):
        (record,) = await audited(service.store, {"X-Request-ID": f"{headers['X-Request-ID']}.{place}"})
        assert (record["action"], record["outcome"]) == (action, status)
        assert name is None or record["id"] == name


async def test_sent_again_each_write_is_answered_again(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    for name in ("X-Request-ID", "Idempotency-Key"):
        entries = [post(observation(who)), post(observation(who)), ask("GET", f"Patient/{who}")]
        headers = {name: uuid.uuid4().hex}
        first = await sent(station, *entries, **headers)
        before = await rows(service)
        second = await sent(station, *entries, **headers)
        assert await rows(service) == before
        assert [entry["resource"]["id"] for entry in second] == [entry["resource"]["id"] for entry in first]
        assert first[0]["resource"]["id"] != first[1]["resource"]["id"]


async def test_a_key_that_is_too_long_for_its_entries_is_refused(
    station: httpx.AsyncClient, who: str
) -> None:
    asked = bundle(ask("GET", f"Patient/{who}"), post(patient()), type="batch")
    refused(await station.post("", json=asked, headers={"Idempotency-Key": "k" * 252}), 400, "invalid")
    longest = f"{uuid.uuid4().hex:k<251}"
    answer = await station.post("", json=asked, headers={"Idempotency-Key": longest})
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["200", "201"]


async def test_rights_are_those_of_each_entry(service: RunningService, who: str) -> None:
    limited = await service.system(LE_CHAN, "system/Patient.r")
    found = await sent(limited, ask("GET", f"Patient/{who}"), ask("GET", "Patient"), post(patient()))
    assert [entry["response"]["status"][:3] for entry in found] == ["200", "403", "403"]
    async with service.anonymous() as nobody:
        content = json.dumps(bundle(ask("GET", f"Patient/{who}"), type="batch"))
        answer = await nobody.post(
            "/fhir", content=content, headers={"Content-Type": "application/fhir+json"}
        )
    refused(answer, 401, "login")


async def test_a_move_in_a_batch(service: RunningService) -> None:
    case = await offered(service)
    task = await case.task(case.receiver) | {"status": "accepted"}
    found = await sent(case.receiver, put(task), put(task, 'W/"1"'), Prefer="return=minimal")
    assert [entry["response"]["status"][:3] for entry in found] == ["428", "200"]
    assert "resource" not in found[1]
