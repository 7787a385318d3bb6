"""Headers and query strings that are missing, stale or garbage."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.refusals import outcome, refused, rows
from tests.factories import offered, patient
from tests.running_service import RunningService


@pytest.mark.parametrize("resource_type", ["ServiceRequest", "Task"])
@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        (None, 428, "required"),
        ('W/"2"', 412, "conflict"),
        ('W/"0"', 412, "conflict"),
        ('"999999999"', 412, "conflict"),
        ("1", 400, "invalid"),
        ("*", 400, "invalid"),
        ('W/"x"', 400, "invalid"),
        ('W/"-1"', 400, "invalid"),
        ('W/"1", W/"2"', 400, "invalid"),
        ('W/"1', 400, "invalid"),
        ('W/"' + "9" * 400 + '"', 400, "invalid"),
        ("", 400, "invalid"),
        ("é", 400, "invalid"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_if_match_that_is_missing_stale_or_malformed(
    service: RunningService, resource_type: str, if_match: str | None, status: int, code: str
) -> None:
    case = await offered(service)
    body = case.request if resource_type == "ServiceRequest" else await case.task()
    headers = {} if if_match is None else {"If-Match": if_match.encode()}
    before = await rows(service)
    address = f"{resource_type}/{body['id']}"
    answer = await case.sender.put(address, json=body | {"note": [{"text": "x"}]}, headers=headers)
    refused(answer, status, code)
    assert await rows(service) == before
    assert (await case.sender.get(address)).headers["ETag"] == 'W/"1"'


async def test_if_match_of_what_is_not_there(service: RunningService, station: httpx.AsyncClient) -> None:
    before = await rows(service)
    answer = await station.put("Patient/not-yet", json=patient(id="not-yet"), headers={"If-Match": 'W/"1"'})
    refused(answer, 412, "conflict")
    assert await rows(service) == before


@pytest.mark.parametrize(
    "prefer", ["return=", "return=banana", "=", ";;,,", "return=minimal; x", "é", "a" * 5000]
)
async def test_a_preference_that_is_not_understood_is_ignored(
    station: httpx.AsyncClient, prefer: str
) -> None:
    headers = {"Prefer": prefer.encode()}
    assert (await station.post("Patient", json=patient(), headers=headers)).status_code == 201
    assert (await station.get("Patient", headers=headers)).status_code == 200
    refused(await station.get("Patient?banana=1", headers=headers), 400, "invalid")


@pytest.mark.parametrize(
    "condition",
    [
        b"",
        b"?",
        b"banana=1",
        b"identifier=",
        b"_count=1",
        b"_format=json",
        b"identifier=1&_sort=_id",
        b"identifier=1&_cursor=x",
        b"identifier=1&_include=Patient:organization",
        b"identifier:exact=1",
        b"birthdate=yesterday",
        b"name=%FF",
        b"identifier=%00",
        b"identifier=\xff",
        b"Task?identifier=1",
        b"http://elsewhere.example/fhir/Patient?identifier=1",
        b"&".join(b"identifier=1" for _ in range(101)),
        b"&" * 5000 + b"identifier=1&" * 1001,
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_condition_on_creating_that_is_no_search(
    service: RunningService, station: httpx.AsyncClient, condition: bytes
) -> None:
    before = await rows(service)
    headers = {"If-None-Exist": condition, "Prefer": b"handling=lenient"}
    answer = await station.post("Patient", json=patient(), headers=headers)
    assert {issue["code"] for issue in outcome(answer)} == {"invalid"}
    assert answer.status_code == 400
    assert await rows(service) == before


async def test_two_conditions_on_creating(service: RunningService, station: httpx.AsyncClient) -> None:
    before = await rows(service)
    twice = [("If-None-Exist", "identifier=1"), ("If-None-Exist", "identifier=2")]
    refused(await station.post("Patient", json=patient(), headers=twice), 400, "invalid")
    assert await rows(service) == before


@pytest.mark.parametrize(
    "token",
    ["", "Bearer", "Bearer a b", "Basic YTpi", "Bearer é", "Bearer " + "a" * 600, "bearer x"],
)
async def test_a_token_that_is_none(service: RunningService, token: str) -> None:
    async with service.anonymous() as nobody:
        for method, address in (("GET", "/fhir/Patient/1"), ("POST", "/fhir/Patient"), ("POST", "/fhir")):
            answer = await nobody.request(
                method, address, headers={"Authorization": token.encode()}, content=b"{"
            )
            refused(answer, 401, "login")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "query",
    [
        *(
            "%00=1",
            "name=%FF",
            "identifier=%00",
            "=",
            "&&&",
            "birthdate=ge",
            "subject=/",
            "_count=1e9",
            "_sort=,",
        ),
        *("_cursor=%7B%7D", "_include=*", "identifier=a%7Cb%7Cc", "_lastUpdated=gt9999-99-99", "_id=a,,b"),
        "_id=" + "a" * 5000,
    ],
)
async def test_a_search_for_garbage(station: httpx.AsyncClient, query: str) -> None:
    answer = await station.get(f"Patient?{query}")
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        assert all(issue["code"] == "invalid" for issue in outcome(answer))


@pytest.mark.parametrize("line", [b"OPTIONS *", b"OPTIONS fhir", b"GET //", b"DELETE /fhir//x"])
async def test_an_address_of_another_form_is_refused_and_no_fault(
    service: RunningService, line: bytes
) -> None:
    address = urlsplit(service.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(line + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status in {b"400", b"404", b"405"}
