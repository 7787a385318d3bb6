"""What else a transaction may hold: deletes, patches, searches in place of ids, references of other systems.

https://hl7.org/fhir/R4/http.html#trules
"""

import base64
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.api.refusals import outcome, refused, rows
from tests.api.test_transaction import bundle, named, post, put, sent, urn
from tests.factories import KIEN_AN, LE_CHAN, Resource, created, observation, offered, patient, request
from tests.running_service import RunningService


def delete(address: str, **conditions: str) -> Resource:
    return {"request": {"method": "DELETE", "url": address} | conditions}


def patch(address: str, *operations: Resource, **conditions: str) -> Resource:
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {
        "request": {"method": "PATCH", "url": address} | conditions,
        "resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data},
    }


def number() -> str:
    return uuid.uuid4().hex


def with_number(value: str, **more: Any) -> Resource:
    return patient(identifier=[{"system": "urn:test:patient", "value": value}], **more)


def statuses(entries: list[Resource]) -> list[str]:
    return [entry["response"]["status"] for entry in entries]


async def test_deletes_come_first_and_all_of_it_is_one(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    old = await created(station, observation(who))
    content = bundle(
        put(patient(id=who, birthDate="1990")),
        post(observation(who)),
        patch(f"Patient/{(await created(station, patient()))['id']}", {"op": "remove", "path": "/birthDate"}),
        delete(f"Observation/{old['id']}"),
        delete("Observation/nobody"),
    )
    found = await sent(station, content)
    assert statuses(found) == ["200 OK", "201 Created", "200 OK", "204 No Content", "204 No Content"]
    assert "birthDate" not in found[2]["resource"]
    assert found[3] == {"response": {"status": "204 No Content", "etag": 'W/"2"'}}
    refused(await station.get(f"Observation/{old['id']}"), 410, "deleted")


async def test_a_patient_goes_with_the_records(station: httpx.AsyncClient, who: str) -> None:
    seen = await created(station, observation(who))
    found = await sent(station, bundle(delete(f"Patient/{who}"), delete(f"Observation/{seen['id']}")))
    assert statuses(found) == ["204 No Content"] * 2


@pytest.mark.parametrize(
    ("last", "status", "code", "place"),
    [
        (delete("ServiceRequest/{referral}"), 405, "not-supported", "Bundle.entry[1]"),
        (delete("Patient/{patient}"), 409, "conflict", "Bundle.entry[1]"),
        (delete("Task/{offer}", ifMatch='W/"1"'), 405, "not-supported", "Bundle.entry[1]"),
        (patch("Patient/{patient}", {"op": "remove", "path": "/photo"}), 422, "business-rule",
         "Bundle.entry[1].resource.photo"),
        (patch("Task/{offer}", {"op": "add", "path": "/note", "value": []}, ifMatch='W/"1"'), 400, "invalid",
         "Bundle.entry[1].resource.note"),
        (patch("Task/{offer}", {"op": "replace", "path": "/status", "value": "cancelled"}), 428, "required",
         "Bundle.entry[1].resource"),
        (patch("Patient/nobody", {"op": "remove", "path": "/photo"}), 404, "not-found",
         "Bundle.entry[1].resource"),
        (post(observation("x", subject=named("Patient?identifier=nobody"))), 422, "business-rule",
         "Bundle.entry[1].resource"),
        (post(observation("x", subject=named("Patient?banana=1"))), 400, "invalid",
         "Bundle.entry[1].resource.subject.reference"),
        (post(observation("x", subject=named("Banana?x=1"))), 400, "invalid",
         "Bundle.entry[1].resource.subject.reference"),
        (put(patient(id="other")) | {"request": {"method": "PUT", "url": "Patient?_id={patient}"}}, 400,
         "invalid", "Bundle.entry[1].resource.id"),
    ],
    ids=lambda value: str(value.get("request", "")) if isinstance(value, dict) else None,
)  # fmt: skip
async def test_what_fails_undoes_all_and_is_named(
    service: RunningService, last: Resource, status: int, code: str, place: str
) -> None:
    case = await offered(service)
    text = json.dumps(last)
    for name, value in {"referral": case.request, "patient": case.patient}.items():
        text = text.replace(f"{{{name}}}", value["id"])
    before = await rows(service)
    content = bundle(post(patient()), json.loads(text.replace("{offer}", case.offer_id)))
    answer = await case.sender.post("", json=content)
    refused(answer, status, code, place)
    assert await rows(service) == before


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Binary", "contentType": "text/plain", "data": "W10="},
        {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "e30="},
        {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W3t9XQ=="},
        {"resourceType": "Binary", "contentType": "application/json-patch+json"},
        patient(),
    ],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_a_patch_is_a_binary_of_operations(
    station: httpx.AsyncClient, who: str, resource: Resource
) -> None:
    content = bundle({"request": {"method": "PATCH", "url": f"Patient/{who}"}, "resource": resource})
    (issue,) = outcome(await station.post("", json=content))
    assert issue["expression"][0].startswith("Bundle.entry[0].resource")


async def test_conditional_writes_are_of_what_they_find(station: httpx.AsyncClient) -> None:
    known, gone, new = number(), number(), number()
    first = await created(station, with_number(known))
    second = await created(station, with_number(gone))
    who = urn()
    found = await sent(
        station,
        bundle(
            put(with_number(known, id="x"))
            | {
                "fullUrl": who,
                "resource": with_number(known, birthDate="1990"),
                "request": {"method": "PUT", "url": f"Patient?identifier={known}"},
            },
            {
                "resource": with_number(new),
                "request": {"method": "PUT", "url": f"Patient?identifier={new}"},
            },
            delete(f"Patient?identifier={gone}"),
            delete(f"Patient?identifier={number()}"),
            post(observation("x", subject=named(who))),
        ),
    )
    assert statuses(found) == ["200 OK", "201 Created", "204 No Content", "204 No Content", "201 Created"]
    assert (found[0]["resource"]["id"], found[0]["resource"]["birthDate"]) == (first["id"], "1990")
    assert found[4]["resource"]["subject"] == named(f"Patient/{first['id']}")
    refused(await station.get(f"Patient/{second['id']}"), 410, "deleted")
    again = patch(f"Patient?identifier={known}", {"op": "replace", "path": "/birthDate", "value": "1991"})
    (changed,) = await sent(station, bundle(again))
    assert changed["resource"]["birthDate"] == "1991"


async def test_a_reference_may_be_a_search(service: RunningService, station: httpx.AsyncClient) -> None:
    value = number()
    who = await created(station, with_number(value))
    hidden = named(f"Patient?identifier=urn:test:patient|{value}")
    found = await sent(
        station,
        bundle(
            post(request("x", subject=hidden, performer=[named(f"Organization?_id={KIEN_AN}")])),
            post(observation("x", subject=hidden)),
        ),
    )
    assert {entry["resource"]["subject"]["reference"] for entry in found} == {f"Patient/{who['id']}"}
    assert found[0]["resource"]["performer"] == [named(f"Organization/{KIEN_AN}")]
    # Of another's patient it is as of nobody.
    before = await rows(service)
    other = await service.system("vinh-bao-medical-centre")
    content = bundle(post(observation("x", subject=hidden)))
    refused(await other.post("", json=content), 422, "business-rule", "Bundle.entry[0].resource")
    limited = await service.system(LE_CHAN, "system/Observation.cruds")
    refused(await limited.post("", json=content), 403, "forbidden", "Bundle.entry[0].resource")
    limited = await service.system(LE_CHAN, "system/Observation.cruds system/Patient.s")
    chained = bundle(post(observation("x", subject=named("Patient?organization.name=x"))))
    refused(await limited.post("", json=chained), 403, "forbidden", "Bundle.entry[0].resource")
    assert await rows(service) == before
    await created(station, with_number(value))
    answer = await station.post("", json=content)
    refused(answer, 412, "multiple-matches", "Bundle.entry[0].resource")


async def test_an_identifier_may_be_of_what_comes_along(station: httpx.AsyncClient) -> None:
    value = number()
    logical = {"identifier": {"system": "urn:test:patient", "value": value}}
    found = await sent(
        station,
        bundle(
            post(request("x", KIEN_AN, subject=logical)),
            post(observation("x", subject=logical)),
            post(with_number(value)),
        ),
    )
    who = found[2]["resource"]["id"]
    assert found[0]["resource"]["subject"] == logical
    by_patient = await station.get("Observation", params={"patient": who})
    assert [entry["resource"]["id"] for entry in by_patient.json()["entry"]] == [found[1]["resource"]["id"]]
    task = await station.get("Task", params={"patient": who})
    assert len(task.json()["entry"]) == 1


async def test_references_of_another_system_are_resolved_where_it_had_them(
    station: httpx.AsyncClient,
) -> None:
    there = "https://other.example/r4"
    found = await sent(
        station,
        bundle(
            post(patient(), f"{there}/Patient/7"),
            post(observation("x", subject=named("Patient/7")), f"{there}/Observation/8"),
            post(observation("x", subject=named(f"{there}/Patient/7"))),
            post(observation("x", subject=named("Patient/7/_history/3")), f"{there}/Observation/9"),
            post(observation("x", subject=named(f"{there}/Patient/7/_history/3")), urn()),
        ),
    )
    who = named(f"Patient/{found[0]['resource']['id']}")
    assert [entry["resource"]["subject"] for entry in found[1:]] == [who] * 4


async def test_resources_that_name_each_other_in_a_circle(station: httpx.AsyncClient, who: str) -> None:
    first, second = urn(), urn()
    found = await sent(
        station,
        bundle(
            post(observation(who, hasMember=[named(second)]), first),
            post(observation(who, hasMember=[named(first)]), second),
        ),
    )
    ids = [entry["resource"]["id"] for entry in found]
    assert [entry["resource"]["hasMember"] for entry in found] == [
        [named(f"Observation/{name}")] for name in reversed(ids)
    ]


async def test_what_the_database_alone_refuses_is_named_too(station: httpx.AsyncClient, who: str) -> None:
    twice = request(who, identifier=[{"system": "urn:test:order", "value": number()}])
    await created(station, twice)
    content = bundle(post(patient()), post(twice))
    answer = await station.post("", json=content)
    refused(answer, 409, "duplicate", "Bundle.entry[1].resource.identifier")


async def test_a_patch_may_name_what_comes_along(station: httpx.AsyncClient, who: str) -> None:
    seen, other = await created(station, observation(who)), urn()
    part = [{"op": "add", "path": "/hasMember", "value": [named(other)]}]
    single = [{"op": "add", "path": "/derivedFrom", "value": [{}]},
              {"op": "add", "path": "/derivedFrom/0/reference", "value": other}]  # fmt: skip
    content = bundle(patch(f"Observation/{seen['id']}", *part, *single), post(observation(who), other))
    found = await sent(station, content)
    meant = [named(f"Observation/{found[1]['resource']['id']}")]
    assert (found[0]["resource"]["hasMember"], found[0]["resource"]["derivedFrom"]) == (meant, meant)


@pytest.mark.usefixtures("nothing_stored")
async def test_more_entries_than_are_taken(station: httpx.AsyncClient) -> None:
    for kind, status, code in (("transaction", 400, "invalid"), ("batch", 400, "invalid")):
        entries = [delete("Patient/nobody")] * 10_001
        answer = await station.post("", json=bundle(*entries, type=kind))
        refused(answer, status, code, "Bundle.entry")
    content = bundle(*[delete("Patient/nobody")] * 1001, type="batch")
    refused(await station.post("", json=content), 413, "too-long", "Bundle.entry")
    refused(
        await station.post("", json=bundle(*[delete("Patient/nobody")] * 10_000)),
        *(400, "invalid", "Bundle.entry[1]"),
    )
