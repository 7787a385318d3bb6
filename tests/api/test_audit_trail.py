"""Every request for something clinical leaves a record, whatever it was answered. https://hl7.org/fhir/R4/security.html#audit"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn

from referral.actions.add_client import generate_keys
from referral.actions.keep_audit import AuditTrail
from referral.api.audit_trail import ACTIONS
from referral.api.batch import batch
from referral.api.unsupported import unsupported
from referral.app import create_app, make_services
from referral.cli.demo_system import token_form
from tests.api.audited import audited, named
from tests.api.refusals import outcome
from tests.conftest import listen
from tests.factories import CAT_HAI, KIEN_AN, LE_CHAN, created, observation, patient, request
from tests.running_service import RunningService

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OPEN = {
    *("/healthz", "/readyz", "/metrics", "/docs", "/docs/", "/openapi.json", "/fhir/metadata"),
    *("/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"),
    *("/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"),
}


@pytest.fixture
async def stranger(service: RunningService) -> httpx.AsyncClient:
    """The system of another station, which sees nothing of the patient."""
    return await service.system(CAT_HAI)


async def test_a_read_says_who_what_which_version_and_whom_it_is_about(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    seen = await created(station, observation(who))
    headers = named()
    answer = await station.get(f"Observation/{seen['id']}", headers=headers)
    assert answer.status_code == 200
    (row,) = await audited(service.store, headers)
    client = row.pop("client")
    assert client
    assert row == {
        "actor": LE_CHAN,
        "action": "read",
        "type": "Observation",
        "id": seen["id"],
        "version": 1,
        "outcome": 200,
        "patient": who,
        "query": None,
        "address": "127.0.0.1",
        "details": None,
    }


async def test_what_was_not_sent_again_is_a_read_too(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    known, head = named(), named()
    answer = await station.get(f"Patient/{who}", headers=known | {"If-None-Match": 'W/"1"'})
    assert answer.status_code == 304
    assert (await station.head(f"Patient/{who}", headers=head)).status_code == 200
    for headers, status in ((known, 304), (head, 200)):
        (row,) = await audited(service.store, headers)
        assert (row["action"], row["outcome"], row["patient"]) == ("read", status, who)


async def test_a_refused_read_names_the_patient_that_was_not_shown(
    service: RunningService, stranger: httpx.AsyncClient, who: str
) -> None:
    hidden, unknown = named(), named()
    assert (await stranger.get(f"Patient/{who}", headers=hidden)).status_code == 404
    assert (await stranger.get("Patient/nobody", headers=unknown)).status_code == 404
    (row,) = await audited(service.store, hidden)
    assert (row["actor"], row["id"], row["version"], row["outcome"], row["patient"]) == (
        CAT_HAI,
        who,
        None,
        404,
        who,
    )
    (row,) = await audited(service.store, unknown)
    assert (row["id"], row["outcome"], row["patient"]) == ("nobody", 404, None)


async def test_a_search_says_what_was_sought_by_address_and_by_form(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    by_address, by_form = named(), named()
    address = f"Observation?subject=Patient/{who}&code=http%3A%2F%2Floinc.org%7C8310-5"
    assert (await station.get(address, headers=by_address)).status_code == 200
    answer = await station.post("Patient/_search?_count=2", data={"name": "Trần"}, headers=by_form | FORM)
    assert answer.status_code == 200, answer.text
    (row,) = await audited(service.store, by_address)
    assert (row["action"], row["type"], row["id"], row["outcome"]) == ("search", "Observation", None, 200)
    assert row["query"] == f"subject=Patient/{who}&code=http%3A%2F%2Floinc.org%7C8310-5"
    (row,) = await audited(service.store, by_form)
    assert (row["type"], row["query"]) == ("Patient", "_count=2&name=Tr%E1%BA%A7n")


@pytest.mark.parametrize("query", [b"name=%00", b"name=\xff", b"name=\x00\xed\xa0\x80", b"banana=\\u0000"])
async def test_a_search_that_is_no_text_is_kept_as_it_was_sent(
    service: RunningService, station: httpx.AsyncClient, query: bytes
) -> None:
    headers = named()
    outcome(await station.post("Patient/_search", content=query, headers=headers | FORM))
    (row,) = await audited(service.store, headers)
    assert row["outcome"] == 400
    assert row["query"] == query.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


async def test_a_write_leaves_its_row_and_no_other(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    headers = named()
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
            {"resource": observation(who), "request": {"method": "POST", "url": "Observation"}},
        ],
    }
    answer = await station.post("", json=bundle, headers=headers)
    assert answer.status_code == 200, answer.text
    first, second = await audited(service.store, headers, rows=2)
    assert (first["action"], second["action"]) == ("create", "create")
    assert {first["type"], second["type"]} == {"Patient", "Observation"}
    assert {row["outcome"] for row in (first, second)} == {200}
    of = {row["type"]: row for row in (first, second)}
    assert of["Observation"]["patient"] == who
    assert of["Patient"]["patient"] == of["Patient"]["id"]
    # Reads come later: by then a second row of the write would be there.
    after = named()
    await station.get(f"Patient/{who}", headers=after)
    await audited(service.store, after)
    await audited(service.store, headers, rows=2)


async def test_a_refused_write_is_recorded_with_its_status(
    service: RunningService, station: httpx.AsyncClient, stranger: httpx.AsyncClient, who: str
) -> None:
    tries: list[tuple[httpx.AsyncClient, str, str, Any, int, tuple[Any, ...]]] = [
        (stranger, "PUT", f"Patient/{who}", patient(id=who), 404, ("update", "Patient", who, who)),
        (stranger, "POST", "Observation", observation(who), 422, ("create", "Observation", None, None)),
        (station, "POST", "Patient", patient(gender="banana"), 400, ("create", "Patient", None, None)),
        (station, "POST", "", {"resourceType": "Bundle"}, 422, ("transaction", None, None, None)),
        (station, "POST", "Banana", {}, 404, ("create", None, None, None)),
    ]
    for system, method, address, body, status, expected in tries:
        headers = named()
        answer = await system.request(method, address, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        (row,) = await audited(service.store, headers)
        assert (row["action"], row["type"], row["id"], row["patient"]) == expected
        assert row["outcome"] == status


UNSUPPORTED = {
    "PATCH Patient/{who}/$x?_pretty=true": (404, "Patient", "{who}"),
    "POST Patient/{who}": (405, "Patient", "{who}"),
    "GET Patient/{who}/_history/1/2": (404, "Patient", "{who}"),
    "GET Patient/{who}/$everything?_count=2": (404, "Patient", "{who}"),
    "GET Patient/%00%FF/$x": (404, "Patient", None),
    "DELETE Patient/_search/x?name=Tr%E1%BA%A7n": (404, "Patient", None),
    "GET Banana/{who}/$x": (404, None, "{who}"),
    "GET ": (405, None, None),
    "DELETE Patient/{who}/_history": (405, "Patient", "{who}"),
    "DELETE ": (405, None, None),
}


async def test_what_the_service_cannot_do_is_refused_to_everybody_alike_and_recorded(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    asked = [(one.format(who=who), named(), named()) for one in UNSUPPORTED]
    expected = [(status, kind, name and who) for status, kind, name in UNSUPPORTED.values()]
    async with service.anonymous() as nobody:
        for (one, by_station, by_nobody), (status, _, _) in zip(asked, expected, strict=True):
            method, address = one.split(" ")
            answer = await station.request(method, address, headers=by_station)
            same = await nobody.request(method, f"/fhir/{address}", headers=by_nobody)
            assert (answer.status_code, same.status_code) == (status, status), one
            assert answer.content == same.content
    seen = await station.get(f"Patient/{who}")
    assert (seen.status_code, seen.json()["meta"]["versionId"]) == (200, "1")
    for (one, *both), (status, resource_type, resource_id) in zip(asked, expected, strict=True):
        for headers, actor in zip(both, (LE_CHAN, None), strict=True):
            (row,) = await audited(service.store, headers)
            assert (row["action"], row["outcome"], row["actor"]) == ("unsupported", status, actor), one
            assert (row["client"] is None) == (actor is None)
            assert row["query"] == one.replace(" ", " /fhir/")
            assert (row["type"], row["id"]) == (resource_type, resource_id), one
            assert row["patient"] == (who if resource_type and resource_id else None), one


async def test_of_an_address_that_is_not_there_so_much_is_kept_as_tells_what_was_tried(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    headers = named()
    answer = await station.get(f"Patient/a/b?x={'y' * 20_000}", headers=headers)
    assert answer.status_code == 404
    (row,) = await audited(service.store, headers)
    assert row["query"].startswith("GET /fhir/Patient/a/b?x=yyy")
    assert row["query"].endswith("... (20024 characters)")
    assert len(row["query"]) < 400


async def test_an_address_outside_of_fhir_leaves_no_record(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    outside, after = named(), named()
    for address in ("/nothing", "/fhirs/Patient", "/healthz"):
        answer = await station.request("DELETE", service.base_url + address, headers=outside)
        assert answer.status_code in {404, 405}
    await station.get(f"Patient/{who}", headers=after)
    # Records are written in their order: by then one of the others would be there.
    await audited(service.store, after)
    await audited(service.store, outside, rows=0)


async def test_what_a_token_does_not_allow_is_recorded(service: RunningService, who: str) -> None:
    narrow = await service.system(LE_CHAN, "system/Observation.r")
    tries = [
        (named(), "GET", f"Patient/{who}", None, ("read", "Patient", who, who)),
        (named(), "GET", "Patient?name=a", None, ("search", "Patient", None, None)),
        (named(), "POST", "Patient", patient(), ("create", "Patient", None, None)),
        (named(), "PUT", f"Patient/{who}", patient(id=who), ("update", "Patient", who, who)),
    ]
    for headers, method, address, body, _ in tries:
        answer = await narrow.request(method, address, json=body, headers=headers)
        assert (answer.status_code, outcome_of(answer)) == (403, "forbidden")
    for headers, *_, expected in tries:
        (row,) = await audited(service.store, headers)
        assert (row["actor"], row["outcome"]) == (LE_CHAN, 403)
        assert (row["action"], row["type"], row["id"], row["patient"]) == expected


async def test_a_suggestion_is_recorded_as_the_operation_that_it_is(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    asked = await created(station, request(who))
    stored, draft = named(), named()
    address = f"ServiceRequest/{asked['id']}/$suggest-targets?count=2"
    assert (await station.get(address, headers=stored)).status_code == 200
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "serviceRequest", "resource": request(who)}],
    }
    answer = await station.post("ServiceRequest/$suggest-targets", json=parameters, headers=draft)
    assert answer.status_code == 200, answer.text
    (row,) = await audited(service.store, stored)
    assert (row["action"], row["type"], row["id"]) == ("execute", "ServiceRequest", asked["id"])
    assert (row["query"], row["patient"]) == ("$suggest-targets?count=2", who)
    (row,) = await audited(service.store, draft)
    assert (row["type"], row["id"], row["query"]) == ("ServiceRequest", None, "$suggest-targets")


async def test_a_stranger_and_a_bad_token_are_recorded(service: RunningService, who: str) -> None:
    none, bad = named(), named()
    async with service.anonymous() as nobody:
        assert (await nobody.get(f"/fhir/Patient/{who}", headers=none)).status_code == 401
        token = {"Authorization": "Bearer nonsense"}
        assert (await nobody.get("/fhir/Patient?name=a", headers=bad | token)).status_code == 401
    (row,) = await audited(service.store, none)
    assert (row["actor"], row["client"], row["action"], row["outcome"]) == (None, None, "read", 401)
    assert (row["patient"], row["address"]) == (who, "127.0.0.1")
    (row,) = await audited(service.store, bad)
    assert (row["action"], row["query"], row["outcome"]) == ("search", "name=a", 401)


async def test_a_login_is_recorded_and_so_is_one_that_is_refused(service: RunningService) -> None:
    refused = named()
    async with service.anonymous() as nobody:
        answer = await nobody.post("/oauth/token", data={"grant_type": "banana"}, headers=refused)
    assert answer.status_code == 400
    (row,) = await audited(service.store, refused)
    assert (row["action"], row["actor"], row["client"], row["outcome"]) == ("token", None, None, 400)


def test_every_answer_of_fhir_is_in_the_audit_or_open_to_all(service: RunningService) -> None:
    app = create_app(make_services(service.store, "http://hub.example"))
    found = {route.endpoint for route in app.routes if route.path not in OPEN}
    # A batch comes to the door of transactions.
    assert set(ACTIONS) == found | {unsupported, batch}
    assert len(found) > 8


async def test_a_write_that_changes_nothing_has_shown_what_is_there(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    asked = await created(station, request(who, KIEN_AN))
    hospital = await service.system(KIEN_AN)
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    task = found.json()["entry"][0]["resource"]
    headers = named()
    answer = await hospital.put(
        f"Task/{task['id']}", json=task, headers=headers | {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
    )
    assert answer.headers["ETag"] == f'W/"{task["meta"]["versionId"]}"'
    (row,) = await audited(service.store, headers)
    assert (row["actor"], row["action"], row["id"], row["patient"]) == (KIEN_AN, "read", task["id"], who)
    assert row["version"] == int(task["meta"]["versionId"])


async def test_an_answer_that_is_given_again_is_recorded_again(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    headers, body = named(), patient()
    first = await station.post("Patient", json=body, headers=headers)
    again = await station.post("Patient", json=body, headers=headers)
    assert (first.status_code, again.json()) == (201, first.json())
    rows = await audited(service.store, headers, rows=2)
    assert [(row["action"], row["outcome"]) for row in rows] == [("create", 200), ("replay", 201)]
    assert [row["address"] for row in rows] == ["127.0.0.1"] * 2


@asynccontextmanager
async def without_keeper(service: RunningService, trail: AuditTrail) -> AsyncIterator[RunningService]:
    """A second service on the same database, whose records nobody writes."""
    listening = listen()
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    services = replace(make_services(service.store, base_url), audit=trail)
    server = uvicorn.Server(uvicorn.Config(create_app(services), log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    running = RunningService(base_url, service.store)
    yield running
    await running.close()
    server.should_exit = True
    await serving


async def test_who_cannot_be_recorded_is_not_answered(service: RunningService, who: str) -> None:
    trail = AuditTrail(most=1_500)
    async with without_keeper(service, trail) as full:
        station = await full.system(LE_CHAN)
        while trail.has_room:
            assert (await station.get(f"Patient/{who}")).status_code == 200
        waiting = len(trail)
        unanswered: list[tuple[str, str, Any]] = [
            ("GET", f"Patient/{who}", None),
            ("GET", "Patient", None),
            ("POST", "Patient", patient()),
            ("DELETE", f"Patient/{who}", None),
            ("GET", f"Patient/{who}/_history", None),
        ]
        for method, address, body in unanswered:
            answer = await station.request(method, address, json=body)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert outcome_of(answer) == "transient"
        assert (await station.get("metadata")).status_code == 200
        assert len(trail) == waiting
        await trail.flush(service.store, datetime.now(UTC))
        assert (await station.get(f"Patient/{who}")).status_code == 200
        assert len(trail) == 1


def outcome_of(answer: httpx.Response) -> str:
    return str(answer.json()["issue"][0]["code"])


async def test_many_strangers_stop_nobody_else(service: RunningService, who: str) -> None:
    trail = AuditTrail(most=100_000)
    async with without_keeper(service, trail) as crowded:
        async with crowded.anonymous() as nobody:
            for _ in range(300):
                assert (await nobody.get("/fhir/Patient/x")).status_code == 401
        assert len(trail) == 100
        station = await crowded.system(LE_CHAN)
        assert (await station.get(f"Patient/{who}")).status_code == 200


async def test_a_login_that_is_refused_names_the_client_that_it_claims(service: RunningService) -> None:
    headers = named()
    unknown, _ = generate_keys()
    form = token_form("demo-x", unknown, f"{service.base_url}/oauth/token")
    async with service.anonymous() as nobody:
        assert (await nobody.post("/oauth/token", data=form, headers=headers)).status_code == 401
    (row,) = await audited(service.store, headers)
    assert (row["action"], row["actor"], row["client"], row["outcome"]) == ("token", None, "demo-x", 401)
