"""The audit over FHIR: what a facility did, and what others did to its own.

https://hl7.org/fhir/R4/auditevent.html
"""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from referral.fhir.content import read_content
from referral.fhir.validation import check_resource
from tests.api.audited import audited, named
from tests.api.refusals import refused
from tests.factories import CAT_HAI, KIEN_AN, LE_CHAN, OFFICE, created, observation, patient, request
from tests.running_service import RunningService

Event = dict[str, Any]
CLIENT = "http://referral.example/fhir/sid/client"


async def found(client: httpx.AsyncClient, **params: Any) -> list[Event]:
    """All that a search finds, over its pages."""
    address: str | None = "AuditEvent"
    events: list[Event] = []
    while address is not None:
        answer = await client.get(address, params=params or None)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        events += [entry["resource"] for entry in page.get("entry", ())]
        address = {link["relation"]: link["url"] for link in page["link"]}.get("next")
        params = {}
    return events


def told(events: list[Event]) -> set[tuple[str, str, str, str]]:
    """Who did what to what, and how it ended."""
    return {(who(each), each["action"], " ".join(what(each)), each["outcome"]) for each in events}


def who(event: Event) -> str:
    acting = [agent["who"] for agent in event["agent"] if agent["requestor"]]
    return str(acting[0]["reference"]).removeprefix("Organization/") if acting else ""


def what(event: Event) -> list[str]:
    """What the event names: patient and resource, without their versions."""
    named = (each.get("what", {}).get("reference", "") for each in event.get("entity", ()))
    return [each.partition("/_history")[0] for each in named if each]


@dataclass(frozen=True)
class Case:
    """A patient whose station has referred him; what the hospital and a stranger did then."""

    station: httpx.AsyncClient
    hospital: httpx.AsyncClient
    stranger: httpx.AsyncClient
    patient: str
    observation: str
    theirs: str
    tried: dict[str, str]

    @property
    def whom(self) -> str:
        return f"Patient/{self.patient}"


@pytest.fixture(scope="module")
async def case(service: RunningService) -> Case:
    station, hospital, stranger = [await service.system(each) for each in (LE_CHAN, KIEN_AN, CAT_HAI)]
    mine = (await created(station, patient()))["id"]
    seen = (await created(station, observation(mine)))["id"]
    info = [{"reference": f"Observation/{seen}"}]
    await created(station, request(mine, KIEN_AN, supportingInfo=info))
    for address in (f"Patient/{mine}", f"Observation/{seen}"):
        assert (await hospital.get(address)).status_code == 200
    theirs = (await created(hospital, observation(mine)))["id"]
    assert (await stranger.get(f"Patient/{mine}")).status_code == 404
    assert (await stranger.delete(f"Observation/{seen}")).status_code == 204
    assert (await stranger.post(f"Observation/{seen}/$validate?mode=delete")).status_code == 200
    assert (await station.get("Observation", params={"patient": mine})).status_code == 200
    tried = named()
    assert (await stranger.get(f"Observation/{seen}", headers=tried)).status_code == 404
    # All before it is there with it.
    await audited(service.store, tried)
    return Case(station, hospital, stranger, mine, seen, theirs, tried)


async def test_an_owner_sees_who_did_or_tried_what(case: Case) -> None:
    events = await found(case.station, patient=case.whom)
    assert told(events) >= {
        (LE_CHAN, "C", f"{case.whom} {case.whom}", "0"),
        (LE_CHAN, "E", case.whom, "0"),
        (KIEN_AN, "R", f"{case.whom} {case.whom}", "0"),
        (KIEN_AN, "R", f"{case.whom} Observation/{case.observation}", "0"),
        (CAT_HAI, "R", f"{case.whom} {case.whom}", "4"),
        (CAT_HAI, "R", f"{case.whom} Observation/{case.observation}", "4"),
        (CAT_HAI, "E", f"{case.whom} Observation/{case.observation}", "0"),
        # It is answered as what is not there, and nothing was done.
        (CAT_HAI, "D", f"{case.whom} Observation/{case.observation}", "4"),
    }
    # What is hidden from it stays so: the hospital's own record about the same patient.
    assert case.theirs not in str(events)
    for event in events:
        check_resource("AuditEvent", read_content(httpx.Request("POST", "http://x", json=event).content))
        assert (await case.station.get(f"AuditEvent/{event['id']}")).json() == event


async def test_of_others_neither_system_nor_address_nor_request_is_told(case: Case) -> None:
    others = [each for each in await found(case.station, patient=case.whom) if who(each) != LE_CHAN]
    assert others
    for each in others:
        assert CLIENT not in str(each)
        assert "127.0.0.1" not in [agent.get("network", {}).get("address") for agent in each["agent"]]
        assert case.tried["X-Request-ID"] not in str(each)
    request_id = case.tried["X-Request-ID"]
    assert await found(case.station, **{"entity:identifier": request_id}) == []
    (own,) = await found(case.stranger, **{"entity:identifier": request_id})
    assert CLIENT in str(own)
    assert request_id in str(own)


async def test_who_tried_is_not_told_about_whom_it_is(case: Case) -> None:
    """Neither by what is shown nor by what is found: alike for what is hidden and for what never was."""
    for name in (case.observation, "never-was"):
        if name == "never-was":
            headers = named()
            assert (await case.stranger.get(f"Observation/{name}", headers=headers)).status_code == 404
            await case.stranger.delete(f"Observation/{name}")
        events = await found(case.stranger, entity=f"Observation/{name}")
        assert {" ".join(what(each)) for each in events} <= {f"Observation/{name}"}, name
    # The try at the patient names him by the id that was sent.
    assert told(await found(case.stranger, patient=case.whom)) == {(CAT_HAI, "R", case.whom, "4")}
    assert case.patient not in str(await found(case.stranger, entity=f"Observation/{case.observation}"))


async def test_nobody_sees_what_others_did_to_what_is_not_its_own(
    service: RunningService, case: Case
) -> None:
    own = {(KIEN_AN, "C", f"{case.whom} Observation/{case.theirs}", "0")}
    events = told(await found(case.hospital, patient=case.whom))
    assert events >= own
    assert {each[0] for each in events} == {KIEN_AN}
    for address in (case.whom, f"Observation/{case.observation}", f"Observation/{case.theirs}"):
        assert await found(await service.system(OFFICE), entity=address) == []
    (first, *_) = await found(case.station, entity=case.whom, action="C")
    for client in (case.hospital, case.stranger, await service.system(OFFICE)):
        hidden = await client.get(f"AuditEvent/{first['id']}")
        never = await client.get("AuditEvent/0123456789abcdef")
        assert refused(hidden, 404, "not-found") == refused(never, 404, "not-found")
        assert await found(client, _id=first["id"]) == []


ASKED = {
    "action=R": "R",
    "action=R,C": "R C",
    "action:not=E": "R C D",
    "type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest": "R C E D",
    "subtype=read": "R",
    "subtype=http://hl7.org/fhir/restful-interaction|create": "C",
    "outcome=4": "R D",
    "outcome=0": "R C E",
    "outcome=0,4": "R C E D",
    "agent=Organization/kien-an-hospital": "R",
    "agent=le-chan-health-station": "C E",
    "date=ge2020&date=lt2999": "R C E D",
    "date=2020,ge2021": "R C E D",
    "_lastUpdated=gt2020": "R C E D",
    "date:missing=false&action:missing=false&agent:missing=false&entity:missing=false": "R C E D",
    "patient:missing=true": "",
    "entity:missing=true": "",
    "date=lt2020": "",
    "outcome=8": "",
    "outcome=0&outcome=4": "",
    "action=R&action=C": "",
    "type:missing=true": "",
    "agent=Practitioner/x": "",
    "patient=Patient/another": "",
    "agent:identifier=urn:other|x": "",
}


async def test_it_is_found_by_what_r4_has(case: Case) -> None:
    for text, actions in ASKED.items():
        params: dict[str, Any] = {}
        for name, _, value in (pair.partition("=") for pair in text.split("&")):
            params[name] = [*params.get(name, []), value]
        events = await found(case.station, patient=[case.whom, *params.pop("patient", [])], **params)
        assert {each["action"] for each in events} == set(actions.split()), text


async def test_pages_tell_each_event_once_the_newest_first(case: Case) -> None:
    (newest, *_) = await found(case.station, entity=case.whom)
    # What is asked now is in the audit itself a moment later.
    asked = {"entity": case.whom, "date": f"le{newest['recorded']}"}
    whole = await found(case.station, **asked)
    paged = await found(case.station, **asked, _count="2", _sort="-date")
    assert [each["id"] for each in paged] == [each["id"] for each in whole]
    assert [each["recorded"] for each in whole] == sorted((each["recorded"] for each in whole), reverse=True)
    first = (await case.station.get("AuditEvent", params={"_count": "1"})).json()
    assert [link["relation"] for link in first["link"]] == ["self", "next"]
    short = await case.station.get("AuditEvent", params={"entity": case.whom, "_elements": "recorded"})
    assert "entity" not in short.json()["entry"][0]["resource"]


@pytest.mark.parametrize(
    "query",
    [
        *("_total=accurate", "_summary=count", "_count=0", "_sort=date", "_sort=-_id", "banana=1"),
        *("_include=AuditEvent:patient", "_revinclude=Provenance:target", "patient.name=an", "_tag=x"),
        *("_has:Observation:patient:code=x", "date=never", f"agent:identifier={CLIENT}|", "outcome:exact=0"),
        *("_cursor=x", "_cursor=WyItZGF0ZSIsIjIwMjYtMTEtMjJUMTA6MDM6MzcrMDA6MDAiLCJ4Il0"),
    ],
)
async def test_what_it_is_not_asked_by_is_refused(station: httpx.AsyncClient, query: str) -> None:
    refused(await station.get(f"AuditEvent?{query}"), 400, "invalid")


async def test_others_are_not_searched_through_it(station: httpx.AsyncClient) -> None:
    for query in (
        "Patient?_revinclude=AuditEvent:patient",
        "Patient?_has:AuditEvent:patient:action=R",
        "Provenance?target:AuditEvent.action=R",
    ):
        refused(await station.get(query), 400, "invalid")


async def test_nobody_writes_it(station: httpx.AsyncClient, case: Case) -> None:
    (event, *_) = await found(case.station, entity=case.whom)
    entry = {"resource": event, "request": {"method": "POST", "url": "AuditEvent"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    patching = {"Content-Type": "application/json-patch+json"}
    for answer in (
        await station.post("AuditEvent", json=event),
        await station.put(f"AuditEvent/{event['id']}", json=event),
        await station.patch(f"AuditEvent/{event['id']}", json=[], headers=patching),
        await station.delete(f"AuditEvent/{event['id']}"),
        await station.delete("AuditEvent?outcome=0"),
        await station.post("", json=bundle),
        # However little of one it is.
        await station.post(
            "", json=bundle | {"entry": [entry | {"resource": {"resourceType": "AuditEvent"}}]}
        ),
    ):
        assert answer.status_code == 405, answer.text
        assert "The service itself records" in answer.text
        assert answer.headers["Allow"] == "GET"


async def test_it_needs_its_scope(service: RunningService, case: Case) -> None:
    other = await service.system(LE_CHAN, "system/Patient.cruds")
    refused(await other.get("AuditEvent"), 403, "forbidden")
    refused(await other.get("AuditEvent/1"), 403, "forbidden")
