"""How much of a resource a search shows, and what a token may learn through others.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

import json
from typing import Any

import httpx
import pytest

from tests.factories import LE_CHAN, Resource, created, observation, patient, request
from tests.running_service import RunningService

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
DRAFT = {"status": "draft", "note": [{"text": "Fever for two days"}]}


@pytest.fixture
async def system(service: RunningService) -> httpx.AsyncClient:
    return await service.system(LE_CHAN)


@pytest.fixture
async def stored(system: httpx.AsyncClient) -> tuple[Resource, Resource, Resource]:
    """A patient, a draft of a referral and a record with a decimal."""
    narrative = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">A person</div>'}
    who = await created(system, patient(text=narrative, photo=[{"title": "none"}]))
    asked = await created(system, request(who["id"], **DRAFT))
    body = json.dumps(observation(who["id"])).replace("38.5", "38.50")
    answer = await system.post("Observation", content=body, headers={"Content-Type": "application/fhir+json"})
    assert answer.status_code == 201, answer.text
    return who, asked, answer.json()


async def shown(system: httpx.AsyncClient, address: str, **params: str) -> Any:
    answer = await system.get(address, params=params)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json()["entry"]]


async def test_a_summary_has_the_elements_that_r4_marks(system: httpx.AsyncClient, stored: Any):
    who, asked, _ = stored
    (found,) = await shown(system, "Patient", _id=who["id"], _summary="true")
    assert found.pop("meta") == who["meta"] | {"tag": [SUBSETTED]}
    assert found == {name: who[name] for name in found}
    assert who.keys() - found.keys() == {"meta", "text", "photo"}
    (found,) = await shown(system, "ServiceRequest", _id=asked["id"], _summary="true")
    assert "note" not in found
    assert found["status"] == "draft"


async def test_the_text_alone_and_all_but_the_text(system: httpx.AsyncClient, stored: Any):
    who, asked, _ = stored
    (found,) = await shown(system, "Patient", _id=who["id"], _summary="text")
    assert found.keys() == {"resourceType", "id", "meta", "text"}
    (found,) = await shown(system, "Patient", _id=who["id"], _summary="data")
    assert found.keys() == who.keys() - {"text"}
    # What must be there stays.
    (found,) = await shown(system, "ServiceRequest", _id=asked["id"], _summary="text")
    assert found.keys() == {"resourceType", "id", "meta", "status", "intent", "subject"}


async def test_nothing_left_out_is_no_part(system: httpx.AsyncClient, stored: Any):
    who, _, _ = stored
    for params in ({"_summary": "false"}, {"_elements": ",".join(who.keys() - {"resourceType"})}):
        assert await shown(system, "Patient", _id=who["id"], **params) == [who]


async def test_elements_by_name(system: httpx.AsyncClient, stored: Any):
    who, asked, record = stored
    (found,) = await shown(system, "Patient", _id=who["id"], _elements="gender,Patient.birthDate")
    assert found.keys() == {"resourceType", "id", "meta", "gender", "birthDate"}
    assert found["meta"]["tag"] == [SUBSETTED]
    answer = await system.get("Observation", params={"_id": record["id"], "_elements": "value"})
    assert '"value":38.50' in answer.text.replace(" ", "")
    # What comes along is whole.
    params = {"_id": asked["id"], "_elements": "priority", "_include": "ServiceRequest:patient"}
    part, whole = await shown(system, "ServiceRequest", **params)
    assert part["priority"] == "urgent"
    assert "code" not in part
    assert whole == who


async def test_what_comes_along_is_a_summary_too(system: httpx.AsyncClient, stored: Any):
    _, asked, _ = stored
    params = {"_id": asked["id"], "_summary": "true", "_include": "ServiceRequest:patient"}
    for resource in await shown(system, "ServiceRequest", **params):
        assert resource["meta"]["tag"] == [SUBSETTED]


async def test_the_next_page_shows_as_much(system: httpx.AsyncClient, stored: Any):
    answer = await system.get("Patient", params={"_count": "1", "_elements": "gender"})
    if len(answer.json()["link"]) == 1:
        await created(system, patient())
        answer = await system.get("Patient", params={"_count": "1", "_elements": "gender"})
    following = next(link["url"] for link in answer.json()["link"] if link["relation"] == "next")
    (entry,) = (await system.get(following)).json()["entry"]
    assert entry["resource"].keys() <= {"resourceType", "id", "meta", "gender"}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("Task?patient.name=tran", False),
        ("Task?patient._id=a", False),
        ("Task?_has:Task:part-of:status=accepted", True),
        ("Task?_has:Observation:focus:status=final", False),
        ("Task?owner:Organization.name=kien", True),
        ("Task?owner.name=kien", False),
    ],
)
async def test_who_may_not_search_a_type_learns_nothing_of_it_through_another(
    service: RunningService, address: str, allowed: bool
):
    limited = await service.system(LE_CHAN, "system/Task.rs system/Organization.s system/Patient.r")
    answer = await limited.get(address)
    assert answer.status_code == (200 if allowed else 403), answer.text


async def test_a_chain_over_http(system: httpx.AsyncClient, stored: Any):
    who, asked, _ = stored
    number = who["identifier"][0]
    chain = {"patient.identifier": f"{number['system']}|{number['value']}"}
    (found,) = await shown(system, "ServiceRequest", **chain)
    assert found["id"] == asked["id"]
    (found,) = await shown(system, "Patient", **{"_has:ServiceRequest:patient:_id": asked["id"]})
    assert found["id"] == who["id"]
    answer = await system.get("ServiceRequest", params=chain)
    assert "patient.identifier=" in answer.json()["link"][0]["url"]
