"""All of a Bundle or nothing. https://hl7.org/fhir/R4/http.html#transaction"""

import uuid
from typing import Any

import httpx
import pytest

from tests.api.refusals import outcome, refused, rows
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    Resource,
    arrived,
    business,
    completion,
    created,
    observation,
    offer,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService


def urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def post(resource: Resource, full_url: str | None = None) -> Resource:
    """An entry that creates."""
    entry: Resource = {"request": {"method": "POST", "url": resource["resourceType"]}, "resource": resource}
    return entry if full_url is None else {"fullUrl": full_url} | entry


def put(resource: Resource, if_match: str | None = None) -> Resource:
    """An entry that updates."""
    asked = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    return {"request": asked | ({"ifMatch": if_match} if if_match else {}), "resource": resource}


def bundle(*entries: Resource, **more: Any) -> Resource:
    """A transaction of these entries."""
    held = {"entry": list(entries)} if entries else {}
    return {"resourceType": "Bundle", "type": "transaction"} | held | more


def named(full_url: str) -> Resource:
    return {"reference": full_url}


def referral_bundle(owner: str = KIEN_AN, **patient_more: Any) -> Resource:
    """Patient, Observation, ServiceRequest and Task that name each other, in an order that is not theirs."""
    who, seen, asked = urn(), urn(), urn()
    return bundle(
        post(offer("x", owner, focus=named(asked))),
        post(request("x", owner, subject=named(who), supportingInfo=[named(seen)]), asked),
        post(observation("x", subject=named(who)), seen),
        post(patient(**patient_more), who),
    )


async def sent(client: httpx.AsyncClient, content: Resource, **headers: str) -> list[Resource]:
    """The entries of the answer; fails unless it was taken."""
    answer = await client.post("", json=content, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["resourceType"], found["type"]) == ("Bundle", "transaction-response")
    return list(found.get("entry", []))


async def offers_of(client: httpx.AsyncClient, request_id: str) -> list[Resource]:
    found = await client.get("Task", params={"focus": f"ServiceRequest/{request_id}"})
    return [entry["resource"] for entry in found.json().get("entry", [])]


async def test_a_referral_with_all_that_it_names(service: RunningService, station: httpx.AsyncClient) -> None:
    hospital = await service.system(KIEN_AN)
    entries = await sent(station, referral_bundle())
    task, asked, seen, who = (entry["resource"] for entry in entries)
    assert [resource["resourceType"] for resource in (task, asked, seen, who)] == [
        "Task",
        "ServiceRequest",
        "Observation",
        "Patient",
    ]
    for entry in entries:
        resource = entry["resource"]
        address = f"{service.fhir}/{resource['resourceType']}/{resource['id']}"
        assert entry["fullUrl"] == address
        assert entry["response"]["status"] == "201 Created"
        assert entry["response"]["location"] == f"{address}/_history/1"
        assert entry["response"]["etag"] == 'W/"1"'
        assert entry["response"]["lastModified"] == resource["meta"]["lastUpdated"]
        assert (await station.get(address)).json() == resource
        assert (await hospital.get(address)).status_code == 200
    assert task["focus"] == named(f"ServiceRequest/{asked['id']}")
    assert asked["subject"] == seen["subject"] == named(f"Patient/{who['id']}")
    assert task["for"] == named(f"Patient/{who['id']}")
    assert asked["supportingInfo"] == [named(f"Observation/{seen['id']}")]


async def test_an_offer_that_comes_along_is_the_only_one(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    entries = await sent(station, referral_bundle())
    task, asked = entries[0]["resource"], entries[1]["resource"]
    assert [found["id"] for found in await offers_of(station, asked["id"])] == [task["id"]]
    assert business(task) == "requested"


async def test_without_its_task_the_hub_opens_the_offer(station: httpx.AsyncClient) -> None:
    content = referral_bundle()
    del content["entry"][0]
    entries = await sent(station, content)
    assert len(entries) == 3
    (task,) = await offers_of(station, entries[0]["resource"]["id"])
    assert task["owner"] == named(f"Organization/{KIEN_AN}")


@pytest.mark.parametrize(
    ("wanted", "body"), [("minimal", None), ("representation", "resource"), ("OperationOutcome", "outcome")]
)
async def test_the_answer_holds_what_is_preferred(
    station: httpx.AsyncClient, wanted: str, body: str | None
) -> None:
    entries = await sent(station, referral_bundle(), Prefer=f"return={wanted}")
    for entry in entries:
        held = {name for name in ("resource", "outcome") if name in entry or name in entry["response"]}
        assert held == ({body} if body else set())
        assert entry["response"]["location"].startswith(entry["fullUrl"])


@pytest.mark.parametrize(
    ("position", "change", "expected"),
    [
        (0, {"status": "accepted"}, (422, "business-rule", "status")),
        (0, {"owner": {"reference": "Organization/nowhere"}}, (422, "business-rule", "owner")),
        (1, {"status": "banana"}, (400, "code-invalid", "status")),
        (1, {"performer": [{"reference": "Organization/x"}]}, (422, "business-rule", "performer[0]")),
        (2, {"subject": {"reference": "Patient/nobody"}}, (422, "business-rule", "subject")),
        (2, {"subject": {"reference": "urn:uuid:2f0d5a4e-0000-4000-8000-000000000000"}},
         (422, "business-rule", "subject")),
        (2, {"valueQuantity": {"value": "38"}}, (400, "invalid", "value.value")),
        (3, {"banana": 1}, (400, "invalid", "banana")),
        (3, {"birthDate": "61"}, (400, "invalid", "birthDate")),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("nothing_stored")
async def test_one_bad_entry_undoes_all(
    station: httpx.AsyncClient, position: int, change: Resource, expected: tuple[int, str, str]
) -> None:
    content = referral_bundle()
    content["entry"][position]["resource"] |= change
    status, code, element = expected
    path = f"Bundle.entry[{position}].resource.{element}"
    refused(await station.post("", json=content), status, code, path)


@pytest.mark.usefixtures("nothing_stored")
async def test_faults_of_several_entries_are_told_together(station: httpx.AsyncClient) -> None:
    content = referral_bundle()
    content["entry"][1]["resource"]["banana"] = content["entry"][3]["resource"]["banana"] = 1
    found = outcome(await station.post("", json=content))
    assert [issue["expression"][0] for issue in found] == [
        f"Bundle.entry[{position}].resource.banana" for position in (1, 3)
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"method": "GET", "url": "Patient/nobody"}, (404, "not-found", "url")),
        ({"method": "HEAD", "url": "Banana/1"}, (404, "not-supported", "url")),
        ({"method": "GET", "url": "Patient/_search/x/y"}, (404, "not-found", "url")),
        ({"method": "GET", "url": "Patient?banana=1"}, (400, "invalid", "url")),
        ({"method": "GET", "url": "Patient?_format=xml"}, (406, "not-supported", "url")),
        ({"method": "GET", "url": "Patient", "ifMatch": 'W/"1"'}, (404, "not-supported", "ifMatch")),
        ({"method": "DELETE", "url": "Patient"}, (400, "invalid", "url")),
        ({"method": "PATCH", "url": "Patient"}, (400, "invalid", "url")),
        ({"method": "DELETE", "url": "Patient/1?identifier=1"}, (400, "invalid", "url")),
        ({"method": "DELETE", "url": "Patient?"}, (400, "invalid", "url")),
        ({"method": "DELETE", "url": "Banana/1"}, (404, "not-supported", "url")),
        ({"method": "POST", "url": "Patient", "ifNoneMatch": "*"}, (404, "not-supported", "ifNoneMatch")),
        ({"method": "PUT", "url": "Patient/x1", "ifNoneMatch": 'W/"1"'}, (400, "invalid", "ifNoneMatch")),
        ({"method": "FETCH", "url": "Patient/1"}, (400, "code-invalid", "method")),
        ({"url": "Patient"}, (422, "required", "method")),
        ({"method": "POST"}, (422, "required", "url")),
        ({"method": "POST", "url": "Patient/1"}, (400, "invalid", "url")),
        ({"method": "PUT", "url": "Patient"}, (400, "invalid", "url")),
        ({"method": "PUT", "url": "Patient?banana=1"}, (400, "invalid", "url")),
        ({"method": "POST", "url": "Patient?identifier=1"}, (400, "invalid", "url")),
        ({"method": "PUT", "url": "Patient/" + "a" * 65}, (400, "invalid", "url")),
        ({"method": "PUT", "url": "https://elsewhere.example/fhir/Patient/1"}, (400, "invalid", "url")),
        ({"method": "POST", "url": "Observation"}, (400, "invalid", "url")),
        ({"method": "POST", "url": "Patient", "ifNoneExist": "a=1"}, (400, "invalid", "ifNoneExist")),
        ({"method": "PUT", "url": "Patient/x1", "ifNoneExist": "a=1"}, (404, "not-supported", "ifNoneExist")),
        ({"method": "PUT", "url": "Patient/x1", "ifMatch": "1"}, (400, "invalid", "ifMatch")),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("nothing_stored")
async def test_requests_that_are_not_taken(
    station: httpx.AsyncClient, asked: Resource, expected: tuple[int, str, str]
) -> None:
    status, code, element = expected
    content = bundle({"request": asked, "resource": patient(id="x1")})
    refused(await station.post("", json=content), status, code, f"Bundle.entry[0].request.{element}")


@pytest.mark.usefixtures("nothing_stored")
async def test_entries_without_their_parts(station: httpx.AsyncClient) -> None:
    bare = bundle({"request": {"method": "GET"}})
    refused(await station.post("", json=bare), 422, "required", "Bundle.entry[0].request.url")
    bare = bundle({"request": {"method": "POST", "url": "Patient"}})
    refused(await station.post("", json=bare), 422, "required", "Bundle.entry[0].resource")
    bare = bundle({"resource": patient()})
    refused(await station.post("", json=bare), 422, "required", "Bundle.entry[0].request.method")
    bare = bundle(put(patient(id="one")) | {"resource": patient(id="other")})
    refused(await station.post("", json=bare), 400, "invalid", "Bundle.entry[0].resource.id")


@pytest.mark.parametrize(
    "kind", ["batch-response", "collection", "searchset", "history", "message", "document"]
)
@pytest.mark.usefixtures("nothing_stored")
async def test_another_type_of_bundle(station: httpx.AsyncClient, kind: str) -> None:
    content = bundle(post(patient()), type=kind)
    issue = refused(await station.post("", json=content), 404, "not-supported", "Bundle.type")
    assert "transaction" in issue["diagnostics"]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_bundle_in_a_bundle(station: httpx.AsyncClient) -> None:
    content = bundle(post(referral_bundle()))
    refused(await station.post("", json=content), 404, "not-supported", "Bundle.entry[0].request.url")


@pytest.mark.usefixtures("nothing_stored")
async def test_an_empty_transaction_does_nothing(station: httpx.AsyncClient) -> None:
    assert await sent(station, bundle()) == []
    refused(await station.post("", json=bundle(entry=[])), 400, "invalid", "Bundle.entry")


@pytest.mark.usefixtures("nothing_stored")
async def test_one_resource_twice(station: httpx.AsyncClient) -> None:
    same = put(patient(id="twice-in-one"))
    refused(await station.post("", json=bundle(same, same)), 400, "invalid", "Bundle.entry[1].resource")
    twins = bundle(post(patient(), "urn:uuid:a"), post(patient(), "urn:uuid:a"))
    refused(await station.post("", json=twins), 400, "invalid", "Bundle.entry[1].resource")


async def test_an_address_of_the_base_may_be_written_in_full(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    who = await created(station, patient())
    entry = put(who | {"birthDate": "1990"}, 'W/"1"')
    entry["request"]["url"] = f"{service.fhir}/Patient/{who['id']}"
    asked = post(request("x", subject=named(f"{service.fhir}/Patient/{who['id']}")))
    (changed, _) = await sent(station, bundle(entry, asked))
    assert changed["response"]["status"] == "200 OK"
    assert changed["response"]["etag"] == 'W/"2"'


async def test_a_stale_version_undoes_all(service: RunningService, station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    await sent(station, bundle(put(who | {"birthDate": "1990"}, 'W/"1"')))
    before = await rows(service)
    content = bundle(post(patient()), put(who | {"birthDate": "1991"}, 'W/"1"'))
    refused(await station.post("", json=content), 412, "conflict", "Bundle.entry[1].resource")
    assert await rows(service) == before


async def test_a_move_needs_its_version_here_too(service: RunningService) -> None:
    case = await offered(service)
    accepted = await case.task(case.receiver) | {"status": "accepted"}
    before = await rows(service)
    answer = await case.receiver.post("", json=bundle(put(accepted)))
    refused(answer, 428, "required", "Bundle.entry[0].resource")
    assert await rows(service) == before
    (entry,) = await sent(case.receiver, bundle(put(accepted, 'W/"1"')))
    assert business(entry["resource"]) == "accepted"


async def test_an_illegal_move_undoes_all(service: RunningService) -> None:
    case = await offered(service)
    closed = await case.task(case.receiver) | {"status": "failed"}
    before = await rows(service)
    content = bundle(post(patient()), put(closed, 'W/"1"'))
    issue = refused(await case.receiver.post("", json=content), 409, "conflict", "Bundle.entry[1].resource")
    assert "accept" in issue["diagnostics"]
    assert await rows(service) == before


async def test_another_open_offer_undoes_all(service: RunningService) -> None:
    case = await offered(service)
    before = await rows(service)
    content = bundle(post(patient()), post(offer(case.request["id"], AN_LAO)))
    found = outcome(await case.sender.post("", json=content))
    assert found[0]["expression"][0].startswith("Bundle.entry[1].resource")
    assert await rows(service) == before


async def test_completing_opens_the_way_back_unless_it_comes_along(service: RunningService) -> None:
    case = await arrived(service)
    task, letter = await case.task(case.receiver), urn()
    outputs = completion(None, "returned-to-referrer")
    outputs.append({"type": {"coding": [{"code": "summary"}]}, "valueReference": named(letter)})
    down = request(
        case.patient["id"],
        LE_CHAN,
        priority="routine",
        code={"text": "Wound care at home"},
        basedOn=[named(f"ServiceRequest/{case.request['id']}")],
    )
    entries = await sent(
        case.receiver,
        bundle(
            put(task | {"status": "completed", "output": outputs}, f'W/"{task["meta"]["versionId"]}"'),
            post(down),
            post(summary(case.patient["id"]), letter),
        ),
    )
    assert business(entries[0]["resource"]) == "completed"
    own = entries[1]["resource"]
    found = await case.sender.get("ServiceRequest", params={"based-on": case.request["id"]})
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [own["id"]]
    (offered_down,) = await offers_of(case.sender, own["id"])
    assert offered_down["owner"] == named(f"Organization/{LE_CHAN}")
    text = await case.sender.get(f"DocumentReference/{entries[2]['resource']['id']}")
    assert text.status_code == 200


async def test_the_order_of_entries_does_not_matter(station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    first, second = urn(), urn()
    later = post(request(who["id"], basedOn=[named(first)], supportingInfo=[named(first)]), second)
    entries = await sent(station, bundle(later, post(request(who["id"]), first)))
    ids = [entry["resource"]["id"] for entry in entries]
    assert entries[0]["resource"]["basedOn"] == [named(f"ServiceRequest/{ids[1]}")]
    journeys = [
        next(e["valueIdentifier"]["value"] for e in entry["resource"]["extension"] if "valueIdentifier" in e)
        for entry in entries
    ]
    assert journeys[0] == journeys[1]


async def test_other_references_to_nothing_are_kept_as_they_were_sent(station: httpx.AsyncClient) -> None:
    who, nowhere = urn(), urn()
    content = bundle(
        post(observation("x", subject=named(who), encounter=named(nowhere))), post(patient(), who)
    )
    entries = await sent(station, content)
    assert entries[0]["resource"]["encounter"] == named(nowhere)


async def test_two_thousand_entries(service: RunningService, station: httpx.AsyncClient) -> None:
    who = urn()
    entries = [post(observation("x", subject=named(who))) for _ in range(1999)]
    before = await rows(service)
    found = await sent(station, bundle(*entries, post(patient(), who)), Prefer="return=minimal")
    assert len(found) == 2000
    after = await rows(service)
    assert after["document"] - before["document"] == 2000
    entries[1500]["resource"]["subject"] = named(urn())
    refused(
        await station.post("", json=bundle(*entries, post(patient(), who))),
        422,
        "business-rule",
        "Bundle.entry[1500].resource.subject",
    )
    assert await rows(service) == after
