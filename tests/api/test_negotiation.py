"""The form of answers: https://hl7.org/fhir/R4/http.html#mime-type"""

import json
from typing import Any

import httpx
import pytest

from tests.api.audited import audited, named
from tests.api.refusals import outcome, refused, rows
from tests.factories import LE_CHAN, created, observation, patient, request
from tests.running_service import RunningService

PLAIN = {"Accept-Encoding": "identity"}
"""For lengths that are those of the text."""


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/fhir+json",
        "application/json",
        "Application/FHIR+JSON; charset=UTF-8",
        "application/json+fhir",
        "application/*;q=0.5",
        "application/fhir+xml, application/fhir+json;q=0.1",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/fhir+json; fhirVersion=4.0",
        'application/fhir+json;fhirVersion="4.0"',
        "",
    ],
)
async def test_who_takes_json_gets_it(station: httpx.AsyncClient, who: str, accept: str) -> None:
    answer = await station.get(f"Patient/{who}", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["id"]) == (200, who)
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+xml",
        "text/turtle, application/fhir+xml",
        "text/html",
        "image/png",
        "application/fhir+json;q=0",
        "application/fhir+json;q=0.000, text/html",
        "application/fhir+json; fhirVersion=5.0",
        "json",
        ";",
        "é",
    ],
)
async def test_who_takes_another_form_alone_gets_none(
    service: RunningService, station: httpx.AsyncClient, who: str, accept: str
) -> None:
    headers = {"Accept": accept.encode("latin-1")}
    before = await rows(service)
    for asked in (
        station.build_request("GET", f"Patient/{who}", headers=headers),
        station.build_request("POST", "Patient", json=patient(), headers=headers),
        station.build_request("GET", "metadata", headers=headers),
    ):
        refused(await station.send(asked), 406, "not-supported")
    assert await rows(service) == before


@pytest.mark.parametrize(
    "form",
    [
        *("json", "JSON", "application/json", "application/fhir+json", "application/fhir%2Bjson", ""),
        *("text/json", "application/json+fhir", "application/fhir+json%3BfhirVersion=4.0"),
    ],
)
async def test_the_address_may_say_the_form(station: httpx.AsyncClient, who: str, form: str) -> None:
    accept = {"Accept": "application/fhir+xml"} if form else {}
    for address in (f"Patient/{who}?", f"Patient?_id={who}&", "metadata?", f"Patient/{who}/_history?"):
        answer = await station.get(f"{address}_format={form}", headers=accept)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("form", ["xml", "application/fhir+xml", "ttl", "html", "banana", "%00", "json,xml"])
async def test_another_form_in_the_address_is_refused(
    station: httpx.AsyncClient, who: str, form: str
) -> None:
    for address in (f"Patient/{who}?", f"Patient?_id={who}&", "metadata?"):
        refused(await station.get(f"{address}_format={form}"), 406, "not-supported")


async def test_an_operation_takes_the_form_in_its_address(station: httpx.AsyncClient, who: str) -> None:
    stored, form = await created(station, request(who)), "_format=json&_pretty=true"
    asked = station.get(f"ServiceRequest/{stored['id']}/$suggest-targets?{form}")
    tried = station.post(f"Patient/$validate?mode=create&{form}", json=patient())
    for answer in (await asked, await tried):
        assert answer.status_code == 200, answer.text
        assert "\n  " in answer.text


async def test_a_refusal_is_recorded_under_who_asked(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    headers = named()
    await station.get(f"Patient/{who}", headers=headers | {"Accept": "text/html"})
    (record,) = await audited(service.store, headers)
    told = (record["actor"], record["action"], record["id"], record["outcome"])
    assert told == (LE_CHAN, "read", who, 406)


async def test_an_answer_for_a_reader_says_the_same(station: httpx.AsyncClient, who: str) -> None:
    seen = await station.post("Observation", content=json.dumps(observation(who)).replace("38.5", "38.500"))
    for address in (f"Observation/{seen.json()['id']}", f"Observation?patient={who}", "metadata"):
        mark = "&" if "?" in address else "?"
        plain, pretty = (
            await station.get(address),
            await station.get(f"{address}{mark}_pretty=true", headers=PLAIN),
        )
        assert "\n  " in pretty.text
        assert "\n" not in (await station.get(f"{address}{mark}_pretty=false")).text
        assert pretty.headers["content-length"] == str(len(pretty.content))
        same: Any = pretty.json()
        if same["resourceType"] == "Bundle":
            same["link"] = plain.json()["link"]
        assert same == plain.json()
        assert ("38.500" in pretty.text) == ("38.500" in plain.text)
    written = await station.post("Patient?_pretty=true", json=patient())
    assert written.text.startswith("{\n")
    empty = await station.delete(f"Patient/{written.json()['id']}?_pretty=true")
    assert (empty.status_code, empty.content) == (204, b"")
    refused(await station.get(f"Patient/{who}?_pretty=banana"), 400, "invalid")


async def test_preferences_that_are_not_understood_are_passed_over(station: httpx.AsyncClient) -> None:
    for prefer in (
        "respond-async",
        "return=banana",
        "banana",
        "return",
        "handling=strict;return=minimal",
        "=,;",
    ):
        answer = await station.post("Patient", json=patient(), headers={"Prefer": prefer})
        assert answer.status_code == 201, prefer
        assert (answer.content == b"") == ("minimal" in prefer)
    strict = await station.get("Patient?banana=1", headers={"Prefer": "handling=strict"})
    assert strict.status_code == 400
    told = await station.post("Patient", json=patient(), headers={"Prefer": "return=OperationOutcome"})
    assert outcome(told)[0]["severity"] == "information"


@pytest.mark.parametrize(
    "media_type", ["application/fhir+xml", "text/plain", "application/x-www-form-urlencoded", ""]
)
async def test_bodies_of_other_types_are_not_read(
    station: httpx.AsyncClient, who: str, media_type: str
) -> None:
    content = patient(id=who)
    for method, address in (("POST", "Patient"), ("PUT", f"Patient/{who}"), ("POST", "")):
        asked = station.build_request(method, address, json=content, headers={"Content-Type": media_type})
        refused(await station.send(asked), 415, "not-supported")


async def test_head_is_get_without_a_body(station: httpx.AsyncClient) -> None:
    made = await created(station, patient())
    for address in (
        f"Patient/{made['id']}",
        f"Patient/{made['id']}/_history/1",
        f"Patient/{made['id']}/_history",
        f"Patient?_id={made['id']}",
        "metadata",
    ):
        full, head = await station.get(address, headers=PLAIN), await station.head(address, headers=PLAIN)
        assert (head.status_code, head.content) == (full.status_code, b"")
        assert head.headers["content-length"] == str(len(full.content))
