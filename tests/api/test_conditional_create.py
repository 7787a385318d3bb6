"""What is there already is not made again. https://hl7.org/fhir/R4/http.html#ccreate"""

import uuid
from typing import Any

import httpx
import pytest

from tests.api.doors import write
from tests.api.refusals import outcome, refused, rows
from tests.api.stored_versions import check_versions, ids_of
from tests.factories import AN_LAO, KIEN_AN, LE_CHAN, created, observation, patient, request
from tests.owner import behind_the_wall
from tests.running_service import RunningService

Resource = dict[str, Any]


def number_of(content: Resource) -> str:
    return str(content["identifier"][0]["value"])


def condition(content: Resource) -> str:
    return f"identifier=urn:test:patient|{number_of(content)}"


def post(content: Resource, if_none_exist: str | None = None, full_url: str | None = None) -> Resource:
    asked = {"method": "POST", "url": content["resourceType"]}
    asked |= {"ifNoneExist": if_none_exist} if if_none_exist else {}
    return {"request": asked, "resource": content} | ({"fullUrl": full_url} if full_url else {})


def bundle(*entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


async def send(client: httpx.AsyncClient, content: Resource, asked: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
    named["If-None-Exist"] = asked.encode()
    return await client.post(content["resourceType"], json=content, headers=named)


async def test_no_match_creates_and_one_match_is_the_answer(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    content = patient()
    first = await send(station, content, condition(content))
    assert first.status_code == 201, first.text
    before = await rows(service)
    again = await send(station, content | {"gender": "male"}, condition(content))
    assert again.status_code == 200
    stored = await station.get(f"Patient/{first.json()['id']}")
    assert again.json() == stored.json() == first.json()
    for name in ("ETag", "Last-Modified", "Location", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert await rows(service) == before
    async with behind_the_wall(service.store) as owner:
        told = await owner.fetch(
            "SELECT action FROM audit WHERE id = $1 AND request_id = ANY ($2) ORDER BY seq",
            *(first.json()["id"], [first.headers["X-Request-ID"], again.headers["X-Request-ID"]]),
        )
    # Who is given what is there has read it.
    assert [row["action"] for row in told] == ["create", "read"]


@pytest.mark.parametrize(("wanted", "kind"), [("minimal", None), ("OperationOutcome", "OperationOutcome")])
async def test_a_match_is_answered_as_preferred(
    station: httpx.AsyncClient, wanted: str, kind: str | None
) -> None:
    content = patient()
    made = await created(station, content)
    again = await send(station, content, condition(content), Prefer=f"return={wanted}")
    assert again.status_code == 200
    assert again.headers["Location"].endswith(f"/Patient/{made['id']}/_history/1")
    assert (again.json()["resourceType"] if again.content else None) == kind


async def test_several_matches_are_refused(service: RunningService, station: httpx.AsyncClient) -> None:
    content = patient()
    for _ in range(3):
        await created(station, content)
    before = await rows(service)
    refused(await send(station, content, condition(content)), 412, "multiple-matches")
    entry = post(content, condition(content))
    refused(
        await station.post("", json=bundle(post(patient()), entry)),
        *(412, "multiple-matches", "Bundle.entry[1].resource"),
    )
    assert await rows(service) == before


async def test_a_condition_may_bring_its_address(service: RunningService, station: httpx.AsyncClient) -> None:
    content = patient()
    made = await created(station, content)
    for path in ("?", "Patient?", "/Patient?", f"{service.fhir}/Patient?"):
        found = await send(station, content, path + condition(content))
        assert (found.status_code, found.json()["id"]) == (200, made["id"])


async def test_only_what_one_sees_is_a_match(service: RunningService, station: httpx.AsyncClient) -> None:
    content = patient()
    made = await created(station, content)
    stranger = await service.system(AN_LAO)
    theirs = await send(stranger, content, condition(content))
    assert theirs.status_code == 201
    assert await ids_of(service, "Patient", number_of(content)) == {made["id"], theirs.json()["id"]}
    # Each still has one match of its own.
    for client, mine in ((station, made), (stranger, theirs.json())):
        assert (await send(client, content, condition(content))).json()["id"] == mine["id"]


async def test_it_needs_the_right_to_search(service: RunningService) -> None:
    blind = await service.system(LE_CHAN, scope="system/Patient.cru")
    content = patient()
    before = await rows(service)
    refused(await send(blind, content, condition(content)), 403, "forbidden")
    entry = post(content, condition(content))
    refused(await blind.post("", json=bundle(entry)), 403, "forbidden", "Bundle.entry[0].resource")
    assert await rows(service) == before


async def test_another_condition_than_an_identifier(station: httpx.AsyncClient) -> None:
    family = f"Họ{uuid.uuid4().hex}"
    content = patient(name=[{"family": family}])
    asked = f"family:exact={family}&gender=female&birthdate=1961-05-04"
    first = await send(station, content, asked)
    assert first.status_code == 201, first.text
    assert (await send(station, content, asked)).json()["id"] == first.json()["id"]
    assert (await send(station, content, f"{asked}&active:missing=false")).status_code == 201


async def test_a_match_under_a_request_id(service: RunningService, station: httpx.AsyncClient) -> None:
    content = patient()
    asked = write(station, "POST", "Patient", content, If_None_Exist=condition(content))
    name, other = str(uuid.uuid4()), str(uuid.uuid4())
    first = await asked.send(X_Request_ID=name)
    found = await asked.send(X_Request_ID=other)
    assert (first.status_code, found.status_code) == (201, 200)
    who = first.json()
    changed = await station.put(f"Patient/{who['id']}", json=who | {"gender": "male"})
    assert changed.status_code == 200
    for sent, answered in ((name, first), (other, found)):
        again = await asked.send(X_Request_ID=sent)
        assert again.headers["X-Replayed"] == "true"
        assert (again.status_code, again.content) == (answered.status_code, answered.content)
    assert await check_versions(service, "Patient", who["id"]) == 2


async def test_a_referral_is_made_once_by_its_number(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    own = {"system": "urn:test:order", "value": str(uuid.uuid4())}
    content = request(who, KIEN_AN, identifier=[own])
    asked = f"identifier=urn:test:order|{own['value']}"
    first = await send(station, content, asked)
    assert first.status_code == 201, first.text
    before = await rows(service)
    again = await send(station, content, asked)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await rows(service) == before


# In transactions ---------------------------------------------------------------------------------


async def test_what_refers_to_an_entry_refers_to_its_match(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    content, url = patient(), f"urn:uuid:{uuid.uuid4()}"
    about = {"reference": url}
    whole = bundle(
        post(request("x", KIEN_AN, subject=about)),
        post(observation("x", subject=about)),
        post(content, condition(content), url),
    )
    first, again = [await station.post("", json=whole) for _ in range(2)]
    assert first.status_code == again.status_code == 200, again.text
    told = [[entry["response"]["status"] for entry in answer.json()["entry"]] for answer in (first, again)]
    assert told == [["201 Created"] * 3, ["201 Created", "201 Created", "200 OK"]]
    (who,) = await ids_of(service, "Patient", number_of(content))
    for answer in (first, again):
        asked, seen, stored = answer.json()["entry"]
        assert stored["fullUrl"] == f"{service.fhir}/Patient/{who}"
        assert stored["response"]["location"] == f"{service.fhir}/Patient/{who}/_history/1"
        for entry in (asked, seen):
            assert entry["resource"]["subject"] == {"reference": f"Patient/{who}"}
    assert await check_versions(service, "Patient", who) == 1


async def test_a_transaction_of_matches_alone_writes_nothing(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    people = [patient() for _ in range(3)]
    whole = bundle(*(post(each, condition(each)) for each in people))
    first = await station.post("", json=whole)
    before = await rows(service)
    again = await station.post("", json=whole)
    assert [entry["response"]["status"] for entry in again.json()["entry"]] == ["200 OK"] * 3
    resources = [[entry["resource"] for entry in answer.json()["entry"]] for answer in (first, again)]
    assert resources[0] == resources[1]
    assert await rows(service) == before


@pytest.mark.usefixtures("nothing_stored")
async def test_criteria_in_the_address_are_refused(
    station: httpx.AsyncClient,
) -> None:
    """As some client libraries send a conditional create, which would make a second one each time."""
    content = patient()
    asked = {"identifier": f"urn:test:patient|{number_of(content)}", "_pretty": "true"}
    issue = refused(await station.post("Patient", json=content, params=asked), 400, "invalid")
    assert "If-None-Exist" in issue["diagnostics"]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_resource_is_written_once(station: httpx.AsyncClient) -> None:
    content = patient()
    twice = bundle(post(content, condition(content)), post(content, condition(content)))
    refused(await station.post("", json=twice), 400, "invalid", "Bundle.entry[1].resource")


async def test_a_match_is_not_written_beside(service: RunningService, station: httpx.AsyncClient) -> None:
    content = patient()
    made = await created(station, content)
    before = await rows(service)
    changed = {
        "request": {"method": "PUT", "url": f"Patient/{made['id']}"},
        "resource": made | {"gender": "male"},
    }
    refused(
        await station.post("", json=bundle(changed, post(content, condition(content)))),
        *(400, "invalid", "Bundle.entry[1].resource"),
    )
    asked = post(content, condition(content)), post(content, f"_id={made['id']}")
    refused(await station.post("", json=bundle(*asked)), 400, "invalid", "Bundle.entry[1].resource")
    assert await rows(service) == before


@pytest.mark.usefixtures("nothing_stored")
async def test_conditions_that_are_too_many_or_no_search(station: httpx.AsyncClient) -> None:
    people = [patient() for _ in range(101)]
    whole = bundle(*(post(each, condition(each)) for each in people))
    refused(await station.post("", json=whole), 422, "business-rule")
    entry = post(patient(), "banana=1&apple:exact=2")
    issues = outcome(await station.post("", json=bundle(post(patient()), entry)))
    assert {issue["expression"][0] for issue in issues} == {"Bundle.entry[1].request.ifNoneExist"}
    assert len(issues) == 2
