"""What the service publishes of itself. https://hl7.org/fhir/R4/conformance-module.html"""

from typing import Any

import httpx
import pytest

from referral.domain.visibility import DEFINITIONS
from referral.fhir.content import read_content, reread_content, write_content
from referral.fhir.parameters import PARAMETERS
from referral.fhir.profiles import artefacts
from referral.fhir.validation import check_resource
from tests.api.refusals import refused
from tests.factories import KIEN_AN, OFFICE
from tests.running_service import RunningService

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
B = "http://referral.example/fhir"


async def ids(client: httpx.AsyncClient, address: str) -> list[str]:
    """The ids that a search finds, over its pages, in their order."""
    found: list[str] = []
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [entry["resource"]["id"] for entry in page.get("entry", ())]
        address = {link["relation"]: link["url"] for link in page["link"]}.get("next", "")
    return found


async def test_everybody_who_is_signed_in_reads_what_the_package_has(service: RunningService) -> None:
    whole = {(each["resourceType"], each["id"]): each for each in artefacts().values()}
    assert {kind for kind, _ in whole} == DEFINITIONS
    for facility in (KIEN_AN, OFFICE):
        client = await service.system(facility)
        for kind, name in (*whole, ("SearchParameter", "Task-owner")):
            answer = await client.get(f"{kind}/{name}")
            assert answer.status_code == 200, answer.text
            read = reread_content(answer.content)
            check_resource(kind, read_content(answer.content))
            sent = reread_content(write_content(whole.get((kind, name), read)))
            assert {key: value for key, value in read.items() if key != "meta"} == {
                key: value for key, value in sent.items() if key != "meta"
            }
    refused(await client.get("CodeSystem/none"), 404, "not-found")
    async with service.anonymous() as nobody:
        refused(await nobody.get("/fhir/CodeSystem/tier"), 401, "login")


async def test_all_that_is_searched_by_is_told_as_a_search_parameter(station: httpx.AsyncClient) -> None:
    for kind in ("Task", "ValueSet"):
        packed = {each["code"] for each in artefacts().values() if each.get("base") and kind in each["base"]}
        own = {
            each.name if each.name in packed else f"{kind}-{each.name}"
            for each in PARAMETERS[kind]
            if each.name[0] != "_"
        }
        assert set(await ids(station, f"SearchParameter?base={kind}&_count=7")) == own
    common = await ids(station, "SearchParameter?base=Resource")
    assert common == ["Resource-profile", "Resource-security", "Resource-source", "Resource-tag"]
    pair = (await station.get("SearchParameter/DocumentReference-relationship")).json()
    parts = [each["definition"].rpartition("/")[2] for each in pair["component"]]
    assert parts == ["DocumentReference-relation", "DocumentReference-relatesto"]


FOUND = {
    f"ValueSet?url={B}/ValueSet/tier": ["tier"],
    f"CodeSystem?system={B}/CodeSystem/tier": ["tier"],
    f"CodeSystem?url:below={B}/CodeSystem/ti": ["tier"],
    "CodeSystem?code=satellite": ["tier"],
    "CodeSystem?code=satellite&status=active&content-mode=complete": ["tier"],
    "CodeSystem?title=TIER": ["tier"],
    "CodeSystem?title:exact=TIER": [],
    "CodeSystem?title:contains=rect&name:contains=dir": ["direction"],
    "CodeSystem?title:missing=true": [],
    "CodeSystem?_id=tier,level,none&_sort=-_id": ["tier", "level"],
    "CodeSystem?_id=tier,level&_sort=title": ["level", "tier"],
    "CodeSystem?_id=tier&_lastUpdated=gt2999": [],
    "CodeSystem?_id=tier&_lastUpdated=gt2000&_sort=_lastUpdated": ["tier"],
    "CodeSystem?_id=tier&status:not=active": [],
    "CodeSystem?_id=tier&date:missing=true": ["tier"],
    "StructureDefinition?type=Task": ["offer"],
    "StructureDefinition?base=http://hl7.org/fhir/StructureDefinition/Task": ["offer"],
    f"StructureDefinition?valueset={B}/ValueSet/offer-task-status": ["offer"],
    "StructureDefinition?path=Task.focus&derivation=constraint&abstract=false": ["offer"],
    "OperationDefinition?code=suggest-targets&instance=true&system=false": ["suggest-targets"],
    "OperationDefinition?date=ge2020&date=lt2999&code=suggest-targets": ["suggest-targets"],
    "CapabilityStatement?resource=ServiceRequest&format=json": ["referral"],
    f"CapabilityStatement?supported-profile={B}/StructureDefinition/offer": ["referral"],
    "SearchParameter?base=Task&code=owner": ["Task-owner"],
    "SearchParameter?base=Task&type=date&_sort=-code": [
        "Task-period",
        "Task-modified",
        "due",
        "Task-authored-on",
    ],
}


async def test_they_are_found_by_what_r4_has(station: httpx.AsyncClient) -> None:
    for address, expected in FOUND.items():
        assert await ids(station, address) == expected, address


async def test_a_search_of_them_is_one_like_all(station: httpx.AsyncClient) -> None:
    answer = await station.post(
        "CodeSystem/_search", data={"_count": "2", "_total": "accurate"}, headers=FORM
    )
    page = answer.json()
    assert (page["total"], len(page["entry"])) == (len(await ids(station, "CodeSystem?_count=5")), 2)
    counted = (await station.get("CodeSystem?_summary=count&code=satellite")).json()
    assert (counted["total"], "entry" in counted) == (1, False)
    short: dict[str, Any] = (await station.get("CodeSystem?_id=tier&_elements=name")).json()
    assert "concept" not in short["entry"][0]["resource"]
    assert short["entry"][0]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    refused(
        await station.get("CodeSystem/tier", headers={"Accept": "application/fhir+xml"}), 406, "not-supported"
    )
    lenient = {"Prefer": "handling=lenient"}
    assert (await station.get("CodeSystem?banana=1&_id=tier", headers=lenient)).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("CodeSystem?banana=1", "CodeSystem?url:exact=x", "CodeSystem?_include=CodeSystem:supplements"),
        *("StructureDefinition?base.name=x", "ValueSet?_revinclude=StructureDefinition:valueset"),
        *("ValueSet?_has:StructureDefinition:valueset:name=x", "CodeSystem?_cursor=x"),
        *("CodeSystem?_cursor=WyJfaWQiLG51bGwsIm5vbmUiXQ", "Task?_include=StructureDefinition:base"),
        "Task?focus:CodeSystem.name=x",
    ],
)
async def test_what_they_are_not_asked_by_is_refused(station: httpx.AsyncClient, query: str) -> None:
    refused(await station.get(query), 400, "invalid")


async def test_nobody_writes_them(service: RunningService, station: httpx.AsyncClient) -> None:
    office = await service.system(OFFICE)
    tier = (await office.get("CodeSystem/tier")).json()
    entry = {"resource": tier, "request": {"method": "PUT", "url": "CodeSystem/tier"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    for client in (office, station):
        for answer in (
            await client.post("CodeSystem", json=tier),
            await client.put("CodeSystem/tier", json=tier),
            await client.put("CodeSystem?url=x", json=tier),
            await client.delete("CodeSystem/tier"),
        ):
            assert "published with the service" in refused(answer, 405, "not-supported")["diagnostics"]
        for resource in (tier, {"resourceType": "CodeSystem", "id": "tier"}):
            answer = await client.post("", json=bundle | {"entry": [entry | {"resource": resource}]})
            refused(answer, 405, "not-supported", "Bundle.entry[0].request.url")
    for address in ("CodeSystem/tier/_history", "CodeSystem/_history", "CodeSystem/tier/_history/1"):
        refused(await office.get(address), 404, "not-supported")
    refused(await office.post("CodeSystem/$validate", json=tier), 404, "not-supported")


async def test_they_have_no_operations(station: httpx.AsyncClient) -> None:
    for address in ("ValueSet/$expand?url=x", "CodeSystem/tier/$lookup", "Patient/$match", "$export"):
        refused(await station.get(address), 404, "not-supported")
        refused(await station.post(address, json={"resourceType": "Parameters"}), 404, "not-supported")


async def test_a_subscription_is_refused_with_what_to_do_instead(station: httpx.AsyncClient) -> None:
    for answer in (
        await station.post("Subscription", json={"resourceType": "Subscription"}),
        await station.get("Subscription"),
    ):
        assert "_history?_since=" in refused(answer, 404, "not-supported")["diagnostics"]


async def test_they_need_their_scope(service: RunningService) -> None:
    narrow = await service.system(KIEN_AN, "system/Task.cruds")
    refused(await narrow.get("CodeSystem"), 403, "forbidden")
    refused(await narrow.get("CodeSystem/tier"), 403, "forbidden")
