"""Bodies, addresses and methods that are not what they should be: an OperationOutcome, and nothing stored.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from referral.api.services import LARGEST_BODY
from referral.fhir.content import MAX_DEPTH
from tests.api.refusals import outcome, refused, rows
from tests.factories import KIEN_AN, created, offer, patient, request
from tests.running_service import RunningService


@pytest.fixture(
    params=["", "Patient", "ServiceRequest/$suggest-targets"], ids=["transaction", "create", "op"]
)
def target(request: pytest.FixtureRequest) -> str:
    """Every kind of address that reads a body."""
    return str(request.param)


# The body as bytes.


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "structure"),
        (b"resourceType=Patient", "structure"),
        (b"<Patient xmlns='http://hl7.org/fhir'/>", "structure"),
        (b'{"resourceType": "Patient"', "structure"),
        (b'{"resourceType": "Patient"} {}', "structure"),
        (b'{"resourceType": "Patient", "multipleBirthInteger": NaN}', "structure"),
        (b"[]", "structure"),
        (b"null", "structure"),
        (b"7", "structure"),
        (b'"Patient"', "structure"),
        (b'{"resourceType": "Patient", "name": [{"family": "\xff"}]}', "structure"),
        (b'{"resourceType": "Patient", "name": [{"family": "\xed\xa0\x80"}]}', "structure"),
        ('{"resourceType": "Patient"}'.encode("utf-16"), "structure"),
        (b'{"a":' * 100_000, "structure"),
        (b"[" * 1_000_000, "structure"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_json_object_in_utf_8(
    service: RunningService, station: httpx.AsyncClient, target: str, body: bytes, code: str
) -> None:
    before = await rows(service)
    refused(await station.post(target, content=body), 400, code)
    assert await rows(service) == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'"gender": "male", "gender": "female"', (400, "structure", "Patient")),
        (b'"name": [{"family": "A", "family": "B"}]', (400, "structure", "Patient.name[0]")),
        (b'"name": [{"family": "a\\u0000b"}]', (400, "structure", "Patient.name[0].family")),
        (b'"name": [{"family": "\\ud83d"}]', (400, "structure", "Patient.name[0].family")),
        (b'"multipleBirthInteger": 1E40000000', (422, "business-rule", "Patient.multipleBirthInteger")),
        (b'"multipleBirthInteger": -0', (422, "business-rule", "Patient.multipleBirthInteger")),
        (
            b'"extension": [{"url": "urn:a", "valueDecimal": 1E-40000000}]',
            (422, "business-rule", "Patient.extension[0].valueDecimal"),
        ),
        (
            b'"extension": [{"url": "urn:a", "valueDecimal": ' + b"9" * 5000 + b"}]",
            (422, "business-rule", "Patient.extension[0].valueDecimal"),
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_json_that_cannot_be_kept_as_it_is(
    station: httpx.AsyncClient, body: bytes, expected: tuple[int, str, str]
) -> None:
    answer = await station.post("Patient", content=b'{"resourceType": "Patient", ' + body + b"}")
    refused(answer, *expected)


async def test_nesting_beyond_the_limit(service: RunningService, station: httpx.AsyncClient) -> None:
    def nested(depth: int) -> dict[str, Any]:
        inner: dict[str, Any] = {"url": "urn:test:inner", "valueString": "x"}
        for _ in range(depth):
            inner = {"url": "urn:test:outer", "extension": [inner]}
        return patient(extension=[inner])

    before = await rows(service)
    refused(await station.post("Patient", json=nested(MAX_DEPTH)), 400, "structure")
    assert await rows(service) == before
    await created(station, nested(20))


async def test_ten_megabytes_with_and_without_their_length(
    service: RunningService, station: httpx.AsyncClient, target: str
) -> None:
    body = json.dumps(patient(name=[{"text": "x" * 10_000_000}])).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    before = await rows(service)
    refused(await station.post(target, content=body), 413, "too-long")
    refused(await station.post(target, content=chunks()), 413, "too-long")
    assert await rows(service) == before


async def test_the_largest_body_is_still_read(station: httpx.AsyncClient) -> None:
    who = patient()
    padding = LARGEST_BODY - len(json.dumps(who).encode())
    refused(
        await station.post("Patient", content=json.dumps(who).encode() + b" " * (padding + 1)),
        413,
        "too-long",
    )
    answer = await station.post("Patient", content=json.dumps(who).encode() + b" " * padding)
    assert answer.status_code == 201, answer.text


async def test_a_million_faults_are_not_all_told(station: httpx.AsyncClient) -> None:
    for fault in (b'{"a":1,"a":1},', b"1e9999,", b"{},"):
        body = b'{"resourceType":"Patient","name":[' + fault * 100_000 + b"{}]}"
        answer = await station.post("Patient", content=body)
        assert len(outcome(answer)) == 100
        assert len(answer.content) < 50_000


@pytest.mark.parametrize(
    "media_type",
    ["application/xml", "text/plain", "application/fhir+xml", "json", "", "/", "ü"]
    + [
        f"application/fhir+json; {more}"
        for more in ("charset=UTF-16", "fhirVersion=3.0", "charset=latin-1; a")
    ],
)
async def test_another_media_type(
    service: RunningService, station: httpx.AsyncClient, target: str, media_type: str
) -> None:
    before = await rows(service)
    headers = {"Content-Type": media_type.encode()}
    answer = await station.post(target, content=json.dumps(patient()).encode(), headers=headers)
    refused(answer, 415, "not-supported")
    assert await rows(service) == before


async def test_a_client_that_goes_away_while_it_sends(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    await station.get("Patient")
    before = await rows(service)
    signed = station.build_request("POST", "Patient", content=b"{}")
    flow = station.auth.async_auth_flow(signed)
    token = (await anext(flow)).headers["Authorization"]
    await flow.aclose()
    host, port = service.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /fhir/Patient HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n"
    writer.write(f"{head}Content-Type: application/fhir+json\r\nContent-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await station.get("Patient")).status_code == 200
    assert await rows(service) == before


# Types, addresses and methods.


async def test_an_unknown_resource_type_is_named(service: RunningService, station: httpx.AsyncClient) -> None:
    before = await rows(service)
    body = {"resourceType": "Banana"}
    in_bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "POST", "url": "Banana"}, "resource": body}],
    }
    for answer in (
        await station.post("Banana", json=body),
        await station.put("Banana/1", json=body | {"id": "1"}),
        await station.get("Banana/1"),
        await station.get("Banana"),
        await station.post("Banana/_search", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ):
        assert "Banana" in refused(answer, 404, "not-supported")["diagnostics"]
    refused(await station.post("", json=in_bundle), 400, "invalid", "Bundle.entry[0].resource.resourceType")
    # A type of R4 that is not stored here.
    in_bundle["entry"] = [{"request": {"method": "POST", "url": "Goal"}, "resource": goal()}]
    issue = refused(
        await station.post("", json=in_bundle), 404, "not-supported", "Bundle.entry[0].request.url"
    )
    assert "Goal" in issue["diagnostics"]
    assert await rows(service) == before


def goal() -> dict[str, Any]:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"display": "Somebody"},
    }


@pytest.mark.parametrize("named", ["Observation", None, 7, ["Patient"], {}, "patient", ""])
async def test_a_body_of_another_type_than_its_address(station: httpx.AsyncClient, named: object) -> None:
    answer = await station.post("Patient", json=patient() | {"resourceType": named})
    refused(answer, 400, "invalid", "resourceType")


@pytest.mark.parametrize(
    ("method", "address", "expected"),
    [
        ("GET", "/nothing", (404, "not-found")),
        ("GET", "/fhir/Patient/1/_history/1", (404, "not-found")),
        ("GET", "/fhir/Patient/a/b/c", (404, "not-found")),
        ("GET", "/fhir/Patient/", (404, "not-found")),
        ("POST", "/fhir/Patient/", (404, "not-found")),
        ("POST", "/fhir/Patient/1/$everything", (404, "not-supported")),
        ("GET", "/fhir/Patient/%00", (404, "not-found")),
        ("GET", "/fhir/Patient/%0A", (404, "not-found")),
        ("GET", "/fhir/Patient/%FF", (404, "not-found")),
        ("GET", "/fhir/Patient/nobody%2Felse", (404, "not-found")),
        ("GET", "/fhir/Patient%2Fnobody", (404, "not-found")),
        ("GET", "/fhir/Patient/..%2F..%2Fhealthz", (404, "not-found")),
        ("GET", "/fhir/Patient/" + "a" * 65, (404, "not-found")),
        ("GET", "/fhir/Patient/%C3%A9", (404, "not-found")),
        ("GET", "/fhir/Patient/';DROP", (404, "not-found")),
        ("GET", "/fhir/%00", (404, "not-supported")),
        ("GET", "/fhir/Patient%00", (404, "not-supported")),
        ("GET", "/fhir/patient", (404, "not-supported")),
        ("GET", "/fhir/" + "P" * 5000, (404, "not-supported")),
        ("POST", "/fhir/metadata", (404, "not-supported")),
        ("GET", "/fhir", (405, "not-supported")),
        ("GET", "/fhir/", (405, "not-supported")),
        ("PUT", "/fhir", (405, "not-supported")),
        ("PUT", "/fhir/Patient", (400, "invalid")),
        ("DELETE", "/fhir/Patient", (400, "invalid")),
        ("DELETE", "/fhir/Patient/1/_history", (405, "not-supported")),
        ("PATCH", "/fhir/Patient/1", (415, "not-supported")),
        ("POST", "/fhir/Patient/1", (405, "not-supported")),
        ("OPTIONS", "/fhir/Patient/1", (405, "not-supported")),
        ("PROPFIND", "/fhir/Patient/1", (405, "not-supported")),
        ("DELETE", "/fhir/metadata", (404, "not-supported")),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_addresses_and_methods_that_are_not_there(
    station: httpx.AsyncClient, method: str, address: str, expected: tuple[int, str]
) -> None:
    base_url = str(station.base_url).removesuffix("/fhir/")
    answer = await station.request(method, base_url + address, content=json.dumps(patient()).encode())
    refused(answer, *expected)
    assert ("allow" in answer.headers) == (answer.status_code == 405)
    if "allow" in answer.headers and address == "/fhir/Patient/1":
        assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"


@pytest.mark.parametrize(
    "name", ["a" * 65, "a_b", "a%20b", "%00", "%C3%A9", "a%0A", "%F0%9F%98%80", "a%27b", "$x"]
)
async def test_an_id_outside_the_pattern(
    service: RunningService, station: httpx.AsyncClient, name: str
) -> None:
    before = await rows(service)
    refused(await station.put(f"Patient/{name}", json=patient(id="x")), 400, "invalid", "id")
    assert await rows(service) == before


async def test_the_longest_id_is_taken(station: httpx.AsyncClient) -> None:
    name = (await created(station, patient()))["id"].ljust(64, "Z")
    answer = await station.put(f"Patient/{name}", json=patient(id=name))
    assert (answer.status_code, answer.json()["id"]) == (201, name)


@pytest.mark.parametrize("body_id", ["another", None, 7, "", "a" * 65])
async def test_the_id_of_the_body_differs_from_the_address(
    service: RunningService, station: httpx.AsyncClient, body_id: object
) -> None:
    before = await rows(service)
    body = patient() if body_id is None else patient(id=body_id)
    refused(await station.put("Patient/mine", json=body), 400, "invalid", "Patient.id")
    assert await rows(service) == before


async def test_the_hub_names_referrals_and_offers(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    before = await rows(service)
    for body in (request(who["id"], id="mine"), offer(asked["id"], KIEN_AN, id="mine")):
        answer = await station.put(f"{body['resourceType']}/mine", json=body)
        refused(answer, 405, "not-supported")
        assert "allow" in answer.headers
    assert await rows(service) == before
