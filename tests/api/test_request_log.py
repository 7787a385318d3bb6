"""One JSON line for each request, which says who, where and how long, and nothing of a patient."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from referral.api.meters import Meters
from referral.api.request_log import RequestLog
from referral.app import configure_logging
from tests.api.refusals import outcome
from tests.conftest import Database, serve
from tests.factories import KIEN_AN, LE_CHAN, completion, created, observation, patient, request, summary
from tests.owner import behind_the_wall
from tests.running_service import RunningService

FAMILY, GIVEN, NUMBER, BORN = "Quách-Thiên-Lý", "Bạch-Mai-Khôi", "TESTONLY-7781-2290", "1903-02-11"
PATIENTS = (FAMILY, GIVEN, NUMBER, BORN, "Qu\\u00e1ch", "Qu%C3%A1ch")
FIELDS = {"request_id", "actor", "client", "method", "route", "status", "ms"}


class Lines(io.StringIO):
    """What is written to standard error."""

    def read_all(self) -> list[dict[str, Any]]:
        """Every line as JSON; fails where one is something else."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.read_all() if line["event"] == "request"]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Logging as `serve` sets it up, with standard error in hand."""
    found, root = Lines(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", found)
    configure_logging("DEBUG")
    yield found
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def logged(lines: Lines, demo_database: Database) -> AsyncIterator[RunningService]:
    """A service that logs to `lines`."""
    async with serve(demo_database.dsn) as running:
        yield running


def unfortunate() -> dict[str, Any]:
    return patient(
        identifier=[{"system": "urn:test:log", "value": NUMBER}],
        name=[{"family": FAMILY, "given": [GIVEN]}],
        birthDate=BORN,
    )


def check_silent(lines: Lines) -> None:
    """Nothing that was written says who the patient is."""
    for secret in PATIENTS:
        assert secret.casefold() not in lines.getvalue().casefold(), secret


async def test_a_referral_from_its_start_to_its_end(lines: Lines, logged: RunningService) -> None:
    station, hospital = await logged.system(LE_CHAN), await logged.system(KIEN_AN)
    who = await created(station, unfortunate())
    seen = await created(station, observation(who["id"], note=[{"text": f"{GIVEN} {FAMILY}"}]))
    info = [{"reference": f"Observation/{seen['id']}"}]
    subject = {"identifier": {"system": "urn:test:log", "value": NUMBER}}
    asked = await created(station, request(who["id"], KIEN_AN, subject=subject, supportingInfo=info))
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    task = found.json()["entry"][0]["resource"]
    address = f"Task/{task['id']}"
    for status in ("accepted", "in-progress"):
        headers = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
        answer = await hospital.put(address, json=task | {"status": status}, headers=headers)
        assert answer.status_code == 200, answer.text
        task = answer.json()
    written = await created(hospital, summary(who["id"], description=f"{FAMILY} {BORN}"))
    done = task | {"status": "completed", "output": completion(written["id"], "returned-to-referrer")}
    headers = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
    assert (await hospital.put(address, json=done, headers=headers)).status_code == 200
    check_silent(lines)
    writes = [line for line in lines.requests() if line["method"] != "GET" and "fhir" in line["route"]]
    assert [(line["actor"], line["method"], line["route"], line["status"]) for line in writes] == [
        (LE_CHAN, "POST", "/fhir/{resource_type}", 201),
        (LE_CHAN, "POST", "/fhir/{resource_type}", 201),
        (LE_CHAN, "POST", "/fhir/{resource_type}", 201),
        (KIEN_AN, "PUT", "/fhir/{resource_type}/{resource_id}", 200),
        (KIEN_AN, "PUT", "/fhir/{resource_type}/{resource_id}", 200),
        (KIEN_AN, "POST", "/fhir/{resource_type}", 201),
        (KIEN_AN, "PUT", "/fhir/{resource_type}/{resource_id}", 200),
    ]


async def test_a_line_says_what_was_answered_again(lines: Lines, logged: RunningService) -> None:
    station, name = await logged.system(LE_CHAN), "sent-again-1"
    content = unfortunate()
    for headers in ({}, {"X-Request-ID": name}, {"X-Request-ID": name}):
        assert (await station.post("Patient", json=content, headers=headers)).status_code == 201
    told = [line.get("replayed") for line in lines.requests() if line["status"] == 201]
    assert told == [None, None, True]
    check_silent(lines)


async def test_every_line_has_the_same_fields(lines: Lines, logged: RunningService) -> None:
    station = await logged.system(LE_CHAN)
    await station.get("Patient")
    async with logged.anonymous() as nobody:
        for address in ("/fhir/metadata", "/healthz", "/nowhere", "/fhir/Patient/1"):
            await nobody.get(address)
    found = lines.requests()
    for line in found:
        assert set(line) == FIELDS | {"event", "level", "timestamp"}
        assert isinstance(line["ms"], int | float)
        assert line["ms"] >= 0
    assert len({line["request_id"] for line in found}) == len(found) == 6
    assert [(line["route"], line["status"], line["actor"]) for line in found] == [
        ("/oauth/token", 200, None),
        ("/fhir/{resource_type}", 200, LE_CHAN),
        ("/fhir/metadata", 200, None),
        ("/healthz", 200, None),
        ("unknown", 404, None),
        ("/fhir/{resource_type}/{resource_id}", 401, None),
    ]
    assert found[1]["client"]


async def test_what_is_refused_or_sought_is_not_in_the_log(lines: Lines, logged: RunningService) -> None:
    station = await logged.system(LE_CHAN)
    for change in ({"banana": FAMILY}, {FAMILY: 1}, {"birthDate": f"{BORN}-{FAMILY}"}, {"gender": FAMILY}):
        outcome(await station.post("Patient", json=unfortunate() | change))
    outcome(await station.post("Patient", content=f'{{"a": "{FAMILY}", "a": "{FAMILY}"'.encode()))
    outcome(await station.post("Patient", content=f'{{"{FAMILY}": 1, "{FAMILY}": 1}}'.encode()))
    subject = {"identifier": {"system": FAMILY.replace("á", "a"), "value": NUMBER}}
    outcome(await station.post("ServiceRequest", json=request("x", subject=subject)))
    outcome(await station.put(f"Patient/{NUMBER}", json=unfortunate()))
    outcome(await station.get(f"Patient/{NUMBER}"))
    outcome(await station.get(f"{FAMILY}/{NUMBER}"))
    outcome(await station.get(f"../{FAMILY}/{NUMBER}/{BORN}"))
    for query in ({"name": FAMILY}, {"identifier": NUMBER}, {"birthdate": BORN}, {FAMILY: NUMBER}):
        await station.get("Patient", params=query)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await station.post("Patient/_search", data={"family": FAMILY, "birthdate": BORN}, headers=form)
    assert len(lines.requests()) == 17
    check_silent(lines)


@pytest.mark.parametrize("given", ["a", "ehr-42:7.1_x", "A" * 128])
async def test_a_request_id_that_is_given_comes_back(
    lines: Lines, logged: RunningService, given: str
) -> None:
    async with logged.anonymous() as nobody:
        answer = await nobody.get("/fhir/metadata", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert lines.requests()[-1]["request_id"] == given


@pytest.mark.parametrize("given", ["", FAMILY, "a b", "a" * 129, 'x", "actor": "y', "<script>", "%0d%0a"])
async def test_a_bad_request_id_is_replaced(lines: Lines, logged: RunningService, given: str) -> None:
    async with logged.anonymous() as nobody:
        answers = [
            await nobody.get("/fhir/metadata", headers={"X-Request-ID": given.encode()}) for _ in range(2)
        ]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert given not in ids
    assert len(set(ids)) == 2
    assert [line["request_id"] for line in lines.requests()] == ids
    check_silent(lines)


async def test_the_request_id_stands_in_the_audit(logged: RunningService) -> None:
    station = await logged.system(LE_CHAN)
    answer = await station.post("Patient", json=patient(), headers={"X-Request-ID": "written-and-named"})
    async with behind_the_wall(logged.store) as connection:
        audited = await connection.fetch(
            "SELECT action, actor, request_id FROM audit WHERE type = 'Patient' AND id = $1",
            answer.json()["id"],
        )
    assert [tuple(row) for row in audited] == [("create", LE_CHAN, "written-and-named")]


# A fault of the service: a small application with one, as there is none to be had otherwise.


async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and fails with it in the text of its exception."""
    body = await Request(scope, receive).body()
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ValueError(body.decode())


@asynccontextmanager
async def failing() -> AsyncIterator[httpx.AsyncClient]:
    """The faulty application behind the request log, on the server that `serve` uses."""
    app = RequestLog(
        faulty, new_id=lambda: "given-by-us", meters=Meters(), record=lambda _scope, _status: None
    )
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, lifespan="off", log_config=None, log_level="warning", access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - the server has no event to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    server.should_exit = True
    await serving


async def test_a_fault_is_told_by_its_id_and_logged_by_its_place(lines: Lines) -> None:
    async with failing() as client:
        answer = await client.post("/", json=unfortunate())
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "given-by-us"
    assert answer.json()["issue"][0]["code"] == "exception"
    (line,) = lines.read_all()
    assert (line["event"], line["level"], line["status"]) == ("fault", "error", 500)
    assert (line["request_id"], line["error"]) == ("given-by-us", "ValueError")
    assert any(frame.startswith("faulty:") for frame in line["frames"])
    check_silent(lines)
    assert FAMILY not in answer.text


async def test_a_fault_after_the_answer_began_ends_the_connection(lines: Lines) -> None:
    async with failing() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/late", json=unfortunate())
    assert lines.read_all()[0]["event"] == "fault"
    check_silent(lines)
