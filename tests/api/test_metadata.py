"""The CapabilityStatement over HTTP, and that what it lists is there."""

from typing import Any

import httpx
import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from tests.running_service import RunningService

PATCH = {"Content-Type": "application/json-patch+json"}
STATION = "le-chan-health-station"
VALUES = {
    "token": "true",
    "reference": "none",
    "string": "x",
    "date": "ge2024-05",
    "quantity": "5.40",
    "uri": "urn:x",
    "special": "20.8|106.7",
    "composite": "replaces$DocumentReference/x",
}


@pytest.fixture
async def statement(service: RunningService) -> dict[str, Any]:
    """As anybody gets it, without a token."""
    async with service.anonymous() as somebody:
        answer = await somebody.get("/fhir/metadata")
        again = await somebody.get("/fhir/metadata?mode=full")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert again.content == answer.content
    CapabilityStatement.model_validate_json(answer.content)
    read: dict[str, Any] = answer.json()
    return read


async def test_it_describes_this_instance(service: RunningService, statement: dict[str, Any]) -> None:
    assert statement["implementation"]["url"] == service.fhir
    (oauth,) = statement["rest"][0]["security"]["extension"]
    assert oauth["extension"] == [{"url": "token", "valueUri": f"{service.base_url}/oauth/token"}]


async def test_every_search_that_it_lists_works(service: RunningService, statement: dict[str, Any]) -> None:
    system = await service.system(STATION)
    for resource in statement["rest"][0]["resource"]:
        named = resource["searchParam"]
        pairs = [(each["name"], VALUES[each["type"]]) for each in named]
        pairs += [
            (f"{each['name']}:missing", "true")
            for each in named
            if each["name"][0] != "_" and each["type"] != "composite"
        ]
        pairs += [("_include", each) for each in resource.get("searchInclude", [])]
        pairs += [("_revinclude", each) for each in resource.get("searchRevInclude", [])]
        # All that one search may ask together: each is a part of its statement.
        searches = [pairs[begin : begin + 25] for begin in range(0, len(pairs), 25)]
        searches += [[("_sort", each["name"])] for each in named if each["type"] == "date"]
        for search in searches:
            answer = await system.get(resource["type"], params=[*search, ("_count", "2")])
            assert answer.status_code == 200, (resource["type"], search, answer.text)
            assert answer.json()["type"] == "searchset"


async def test_every_interaction_that_it_lists_is_there(
    service: RunningService, statement: dict[str, Any]
) -> None:
    system = await service.system(STATION)
    wrong = {"resourceType": "Foo"}
    for resource in statement["rest"][0]["resource"]:
        name = resource["type"]
        asked = {
            "read": await system.get(f"{name}/none"),
            "search-type": await system.get(f"{name}?_count=0"),
            "create": await system.post(name, json=wrong),
            "update": await system.put(f"{name}/none", json=wrong),
            "patch": await system.patch(f"{name}/none", json=[], headers=PATCH),
            "delete": await system.delete(f"{name}/none"),
            "vread": await system.get(f"{name}/none/_history/1"),
            "history-instance": await system.get(f"{name}/none/_history"),
            "history-type": await system.get(f"{name}/_history?_since=2999"),
        }
        listed = {each["code"] for each in resource["interaction"]}
        assert listed == set(asked) - (set() if name != "Provenance" else {"update", "patch", "delete"})
        statuses = {code: answer.status_code for code, answer in asked.items() if code in listed}
        expected = {
            "read": 404,
            "search-type": 200,
            "create": 400,
            "update": 400,
            "patch": 404,
            "delete": 204,
            "vread": 404,
            "history-instance": 404,
            "history-type": 200,
        }
        assert statuses == {code: expected[code] for code in listed}
        assert asked["read"].json()["issue"][0]["code"] == "not-found"


async def test_what_it_does_not_list_is_not_there(service: RunningService, statement: dict[str, Any]) -> None:
    system = await service.system(STATION)
    answers: list[httpx.Response] = [
        await system.delete("Provenance/none"),
        await system.get("_history"),
        await system.get("Patient/none/$everything"),
    ]
    assert {answer.status_code for answer in answers} <= {404, 405}
    assert {answer.json()["resourceType"] for answer in answers} == {"OperationOutcome"}


async def test_an_id_of_the_client_is_taken_where_it_says_so(
    service: RunningService, statement: dict[str, Any]
) -> None:
    takes = {each["type"]: each["updateCreate"] for each in statement["rest"][0]["resource"]}
    assert takes["Patient"]
    assert not takes["Task"]
    system = await service.system(STATION)
    answer = await system.put(
        "Patient/of-the-client", json={"resourceType": "Patient", "id": "of-the-client"}
    )
    assert answer.status_code in (200, 201), answer.text
    assert (await system.get("Patient/of-the-client")).status_code == 200
