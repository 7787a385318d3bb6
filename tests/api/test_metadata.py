"""The CapabilityStatement over HTTP, and that what it lists is there."""

from typing import Any

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from referral.fhir.parameters import PARAMETERS
from referral.fhir.resources import STORED, SUPPORTED
from tests.factories import offered
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
# Types and operations that R4 has, and the service does not.
ELSEWHERE = ("Medication", "Claim", "Bundle", "Parameters", "Subscription", "ConceptMap")
READ_ONLY = SUPPORTED - STORED
WRITES = {"create", "update", "patch", "delete"}
OPERATIONS = {
    "validate": ("POST", {"type", "instance"}, 200),
    # These want Parameters.
    "suggest-targets": ("POST", {"type", "instance"}, 400),
    "claim": ("POST", {"type"}, 400),
    "moves": ("POST", {"instance"}, 404),
    "everything": ("GET", {"instance"}, 404),
    "meta": ("GET", set[str](), 404),
}
"""How each is asked and of what, and what it answers about what is not there."""
MOST_PARAMETERS = 100


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
        codes = {each.name: each.codes[0] for each in PARAMETERS.get(resource["type"], ()) if each.codes}
        pairs = [(each["name"], codes.get(each["name"], VALUES[each["type"]])) for each in named]
        pairs += [
            (f"{each['name']}:missing", "true")
            for each in named
            if each["name"][0] != "_" and each["type"] != "composite"
        ]
        pairs += [("_include", each) for each in resource.get("searchInclude", [])]
        pairs += [("_revinclude", each) for each in resource.get("searchRevInclude", [])]
        # All that one search may ask together: each is a part of its statement.
        searches = [pairs[begin : begin + 25] for begin in range(0, len(pairs), 25)]
        # The audit has one order.
        dates = [each["name"] for each in named if each["type"] == "date"]
        searches += [[("_sort", name)] for name in dates if resource["type"] != "AuditEvent"]
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
            "search-type": await system.get(f"{name}?_id=none"),
            "create": await system.post(name, json=wrong),
            "update": await system.put(f"{name}/none", json=wrong),
            "patch": await system.patch(f"{name}/none", json=[], headers=PATCH),
            "delete": await system.delete(f"{name}/none"),
            "vread": await system.get(f"{name}/none/_history/1"),
            "history-instance": await system.get(f"{name}/none/_history"),
            "history-type": await system.get(f"{name}/_history?_since=2999"),
        }
        listed = {each["code"] for each in resource["interaction"]}
        not_there = {"update", "patch", "delete"} if name == "Provenance" else set()
        if name in READ_ONLY:
            not_there = set(asked) - {"read", "search-type"}
            assert {asked[code].status_code for code in WRITES} == {405}, name
            assert {asked[code].status_code for code in not_there - WRITES} == {404}, name
        assert listed == set(asked) - not_there
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


async def test_every_search_that_it_does_not_list_is_refused(
    service: RunningService, statement: dict[str, Any]
) -> None:
    """By each parameter that other types have: all that are wrong are named in one answer."""
    system = await service.system(STATION)
    resources = statement["rest"][0]["resource"]
    known = {each["name"] for resource in resources for each in resource["searchParam"]}
    followed = {each for resource in resources for each in resource.get("searchInclude", [])}
    for resource in resources:
        unlisted = sorted(known - {each["name"] for each in resource["searchParam"]})
        asked = [(name, "x") for name in unlisted]
        asked += [("_include", each) for each in sorted(followed - set(resource.get("searchInclude", [])))]
        asked += [
            ("_revinclude", each) for each in sorted(followed - set(resource.get("searchRevInclude", [])))
        ]
        for start in range(0, len(asked), MOST_PARAMETERS):
            part = asked[start : start + MOST_PARAMETERS]
            answer = await system.get(resource["type"], params=part)
            assert answer.status_code == 400, (resource["type"], part)
            assert len(answer.json()["issue"]) == len(part), (resource["type"], answer.text)


async def test_every_condition_that_it_lists_is_read(
    service: RunningService, statement: dict[str, Any]
) -> None:
    """A wrong one is refused by its name; where there are none, the address has no such method."""
    system = await service.system(STATION)
    wrong = "no-such-parameter"
    for resource in statement["rest"][0]["resource"]:
        name = resource["type"]
        body = {"resourceType": name}
        asked = {
            "conditionalCreate": await system.post(name, json=body, headers={"If-None-Exist": f"{wrong}=1"}),
            "conditionalUpdate": await system.put(f"{name}?{wrong}=1", json=body),
            "conditionalDelete": await system.delete(f"{name}?{wrong}=1"),
        }
        for condition, answer in asked.items():
            if resource[condition] in (True, "single"):
                assert answer.status_code == 400, (name, condition, answer.text)
                assert wrong in answer.text, (name, condition)
            elif name in READ_ONLY:
                assert answer.status_code == 405, (name, condition)
            else:
                assert name == "Provenance"
        if not resource["conditionalUpdate"]:
            gone = await system.delete(f"{name}?_id=none")
            changed = await system.patch(f"{name}?_id=none", json=[], headers=PATCH)
            assert {gone.status_code, changed.status_code} <= {404, 405}, (name, gone.text, changed.text)


async def test_every_operation_that_it_lists_is_there_and_no_other(
    service: RunningService, statement: dict[str, Any]
) -> None:
    system = await service.system(STATION)
    for resource in statement["rest"][0]["resource"]:
        name = resource["type"]
        listed = {each["name"] for each in resource.get("operation", ())}
        for operation, (method, places, status) in OPERATIONS.items():
            # Of what is not there, one address will do.
            for kind, place in (("type", name), ("instance", f"{name}/none")):
                if operation not in listed and kind == "type":
                    continue
                answer = await system.request(method, f"{place}/${operation}", json={"resourceType": name})
                assert answer.json()["resourceType"] == "OperationOutcome", (place, operation)
                if operation in listed and kind in places:
                    assert answer.status_code == status, (place, operation, answer.text)
                    assert status != 400 or "Parameters" in answer.text
                else:
                    assert answer.status_code in (404, 405), (place, operation, answer.text)
        assert listed <= OPERATIONS.keys()


async def test_types_that_it_does_not_list_are_refused(
    service: RunningService, statement: dict[str, Any]
) -> None:
    system = await service.system(STATION)
    listed = {each["type"] for each in statement["rest"][0]["resource"]}
    assert not listed & set(ELSEWHERE)
    for name in ELSEWHERE:
        body = {"resourceType": name}
        answers = [
            await system.get(f"{name}/none"),
            await system.get(name),
            await system.post(name, json=body),
            await system.put(f"{name}/none", json=body),
            await system.patch(f"{name}/none", json=[], headers=PATCH),
            await system.delete(f"{name}/none"),
            await system.get(f"{name}/none/_history"),
            await system.get(f"{name}/_history"),
            await system.get(f"{name}/none/_history/1"),
        ]
        assert {answer.status_code for answer in answers} == {404}, name
        codes = {answer.json()["issue"][0]["code"] for answer in answers}
        assert codes == {"not-supported"}, name


async def test_the_interactions_of_the_whole_are_those_that_it_lists(
    service: RunningService, statement: dict[str, Any]
) -> None:
    system = await service.system(STATION)
    listed = {each["code"] for each in statement["rest"][0]["interaction"]}
    for kind in ("transaction", "batch", "collection", "document", "message", "searchset"):
        answer = await system.post("", json={"resourceType": "Bundle", "type": kind})
        assert (answer.status_code == 200) == (kind in listed), (kind, answer.text)
    for other in ("_history", "", "?_type=Patient"):
        answer = await system.get(other)
        assert answer.status_code in (404, 405), other
        assert answer.json()["resourceType"] == "OperationOutcome"


async def test_the_formats_are_those_that_it_lists(
    service: RunningService, statement: dict[str, Any]
) -> None:
    system = await service.system(STATION)
    assert set(statement["format"]) == {"application/fhir+json", "json"}
    for form in ("json", "application/fhir+json", "xml", "application/fhir+xml", "ttl", "text/turtle"):
        answer = await system.get("Patient", params={"_format": form, "_count": "0"})
        assert answer.status_code == (200 if form in statement["format"] else 406), form
    for form in (PATCH["Content-Type"], "application/xml-patch+xml", "application/fhir+json"):
        answer = await system.patch("Patient/none", content="[]", headers={"Content-Type": form})
        assert answer.status_code == (404 if form in statement["patchFormat"] else 415), form


async def test_nobody_gets_anything_without_what_its_security_asks_for(
    service: RunningService, statement: dict[str, Any]
) -> None:
    assert statement["rest"][0]["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    async with service.anonymous() as somebody:
        for resource in statement["rest"][0]["resource"]:
            assert (await somebody.get(f"/fhir/{resource['type']}")).status_code == 401


async def test_versions_are_kept_as_it_says(service: RunningService, statement: dict[str, Any]) -> None:
    says = {each["type"]: each for each in statement["rest"][0]["resource"]}
    for name, each in says.items():
        assert each["readHistory"] is (name not in READ_ONLY)
        assert each["conditionalRead"] == ("not-supported" if name in READ_ONLY else "full-support")
    case = await offered(service)
    for name, stored, system in (
        ("Patient", case.patient, case.sender),
        ("ServiceRequest", case.request, case.sender),
        ("Task", await case.task(), case.receiver),
    ):
        address = f"{name}/{stored['id']}"
        unversioned = await system.put(address, json=stored)
        needed = says[name]["versioning"] == "versioned-update"
        assert unversioned.status_code == (428 if needed else 200), unversioned.text
        stale = await system.put(address, json=stored, headers={"If-Match": 'W/"99"'})
        assert stale.status_code == 412
        found = await system.get(address)
        for header in (
            {"If-None-Match": found.headers["ETag"]},
            {"If-Modified-Since": found.headers["Last-Modified"]},
        ):
            assert (await system.get(address, headers=header)).status_code == 304
        assert (await system.get(f"{address}/_history/1")).status_code == 200
        changed = await system.put(f"{name}/under-our-id", json=stored | {"id": "under-our-id"})
        assert (changed.status_code in (200, 201)) == says[name]["updateCreate"], changed.text
