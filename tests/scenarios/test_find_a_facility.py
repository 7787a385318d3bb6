"""Somebody looks for a facility: by name, kind, place and service; whom it works with; and what has changed.

In the shape of IHE mCSD, Mobile Care Services Discovery (https://profiles.ihe.net/ITI/mCSD/): ITI-90, Find
Matching Care Services, and ITI-91, Request Care Services Updates.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import httpx
import pytest

from referral.fhir.systems import AFFILIATION_KIND, MCSD_FACILITY, MCSD_TYPE, SNOMED_CT, technique_system
from tests.factories import APPENDICECTOMY, created
from tests.running_service import RunningService

Resource = dict[str, Any]

STATION, OFFICE = "le-chan-health-station", "hai-phong-network"
HOSPITAL = "kien-an-hospital"
# Little else happens there.
SATELLITE, ITS_CORE = "hai-duong-lung-hospital", "hai-duong-general-hospital"
HERE = (20.8345, 106.6803)
SURGERY = "394609007"
FACILITY = f"{MCSD_TYPE}|{MCSD_FACILITY}"


@pytest.fixture
async def doctor(service: RunningService) -> httpx.AsyncClient:
    return await service.system(STATION)


async def found(system: httpx.AsyncClient, resource_type: str, **search: Any) -> list[Resource]:
    """The resources of all pages, matches and what came along."""
    answer = await system.get(resource_type, params={"_count": 200, **search})
    resources: list[Resource] = []
    while True:
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        resources += [entry["resource"] for entry in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            return resources
        answer = await system.get(following[0])


def of_type(resources: list[Resource], resource_type: str) -> dict[str, Resource]:
    return {each["id"]: each for each in resources if each["resourceType"] == resource_type}


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    (south, west), (north, east) = (tuple(map(radians, place)) for place in (one, other))
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * 6371 * asin(sqrt(half))


async def told_of(
    system: httpx.AsyncClient, since: str, last: str, changes: int
) -> dict[str, list[Resource]]:
    """The entries of the history of Locations by id, once `last` has so many.

    A change is told when all that began before it has ended, of whomever.
    """
    while True:
        told: dict[str, list[Resource]] = {}
        following, params = "Location/_history", {"_since": since}
        while following:
            answer = await system.get(following, params=params)
            assert answer.status_code == 200, answer.text
            for entry in answer.json().get("entry", ()):
                told.setdefault(entry["fullUrl"].rpartition("/")[2], []).append(entry)
            links = {link["relation"]: link["url"] for link in answer.json()["link"]}
            following, params = links.get("next", ""), None
        if len(told.get(last, ())) == changes:
            return told
        await asyncio.sleep(0.05)


def told_questions() -> list[str]:
    """What docs/fhir.md says to ask."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "fhir.md").read_text(encoding="utf-8")
    chapter = page.split("## Finding a facility\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"`GET ([^`]+)`", chapter)


@pytest.mark.parametrize("question", told_questions())
async def test_what_the_docs_say_to_ask_finds_something(doctor: httpx.AsyncClient, question: str) -> None:
    answer = await doctor.get(question.replace("2026-03-01", "2020-03-01"))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    modes = {entry["search"]["mode"] for entry in entries if "search" in entry}
    assert ("include" in modes) == ("include=" in question or ":iterate=" in question)
    assert "match" in modes or "_history" in question


@pytest.mark.parametrize("written", ["Kiến An", "kien an", "KIEN AN HOSPITAL"])
async def test_by_a_part_of_its_name_in_either_language(doctor: httpx.AsyncClient, written: str) -> None:
    organizations = await found(doctor, "Organization", **{"name:contains": written, "type": FACILITY})
    assert HOSPITAL in of_type(organizations, "Organization")
    assert len(organizations) < 5


async def test_by_its_code_in_the_network(doctor: httpx.AsyncClient) -> None:
    (hospital,) = await found(
        doctor, "Organization", identifier=f"http://referral.example/fhir/sid/facility|{HOSPITAL}"
    )
    assert hospital["id"] == HOSPITAL


async def test_facilities_are_told_from_networks(doctor: httpx.AsyncClient) -> None:
    facilities = of_type(await found(doctor, "Organization", type=FACILITY, active="true"), "Organization")
    assert OFFICE not in facilities
    assert {STATION, HOSPITAL, SATELLITE, ITS_CORE} <= set(facilities)
    every = of_type(await found(doctor, "Organization"), "Organization")
    assert OFFICE in every


async def test_what_is_near(doctor: httpx.AsyncClient) -> None:
    """All that is within ten kilometres, and nothing that is farther."""
    places = of_type(await found(doctor, "Location", type=FACILITY, status="active"), "Location")
    near = of_type(
        await found(doctor, "Location", type=FACILITY, status="active", near=f"{HERE[0]}|{HERE[1]}|10|km"),
        "Location",
    )
    within = {
        name
        for name, place in places.items()
        if kilometres(HERE, (place["position"]["latitude"], place["position"]["longitude"])) <= 10
    }
    assert 3 < len(within) < len(places)
    assert set(near) == within
    assert HOSPITAL in near


async def test_who_offers_a_service_near_here(doctor: httpx.AsyncClient) -> None:
    """Surgery within ten kilometres, with the facilities and where they are."""
    answer = await found(
        doctor,
        "HealthcareService",
        **{
            "specialty": f"{SNOMED_CT}|{SURGERY}",
            "active": "true",
            "location.near": f"{HERE[0]}|{HERE[1]}|10|km",
            "_include": ["HealthcareService:organization", "HealthcareService:location"],
        },
    )
    services = of_type(answer, "HealthcareService").values()
    assert f"Organization/{HOSPITAL}" in {each["providedBy"]["reference"] for each in services}
    for each in services:
        assert SURGERY in {coding["code"] for one in each["specialty"] for coding in one["coding"]}
        assert each["providedBy"]["reference"].split("/")[1] in of_type(answer, "Organization")
        place = of_type(answer, "Location")[each["location"][0]["reference"].split("/")[1]]["position"]
        assert kilometres(HERE, (place["latitude"], place["longitude"])) <= 10


async def test_who_may_do_an_operation(doctor: httpx.AsyncClient) -> None:
    technique = f"{technique_system('qd4440-2020')}|{APPENDICECTOMY}"
    services = await found(doctor, "HealthcareService", **{"service-type": technique})
    assert f"Organization/{HOSPITAL}" in {each["providedBy"]["reference"] for each in services}
    everyone = await found(doctor, "HealthcareService", organization=f"Organization/{STATION}")
    assert not {each["id"] for each in everyone} & {each["id"] for each in services}


async def test_a_facility_with_all_that_belongs_to_it(doctor: httpx.AsyncClient) -> None:
    """Where it is, what it offers and its memberships, in one question."""
    answer = await found(
        doctor,
        "Organization",
        _id=HOSPITAL,
        _revinclude=[
            "Location:organization",
            "HealthcareService:organization",
            "OrganizationAffiliation:participating-organization",
        ],
    )
    assert set(of_type(answer, "Organization")) == {HOSPITAL}
    assert HOSPITAL in of_type(answer, "Location")
    assert len(of_type(answer, "HealthcareService")) >= 5
    codes = {
        coding["code"]
        for each in of_type(answer, "OrganizationAffiliation").values()
        for code in each["code"]
        for coding in code["coding"]
    }
    assert {"member", "satellite"} <= codes


async def test_whom_it_works_with_and_how_to_reach_them(
    service: RunningService, doctor: httpx.AsyncClient
) -> None:
    """From a satellite over its affiliation to its core hospital, and to the address of that one's system."""
    core, office = await service.system(ITS_CORE), await service.system(OFFICE)
    mine = {"reference": f"Organization/{ITS_CORE}"}
    endpoint = await created(
        core,
        {
            "resourceType": "Endpoint",
            "status": "active",
            "connectionType": {
                "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                "code": "hl7-fhir-rest",
            },
            "managingOrganization": mine,
            "payloadType": [{"text": "any"}],
            "address": "https://hai-duong.example/fhir",
        },
    )
    # The office keeps the directory: what stands in an Organization besides its contact is for it to write.
    add = [{"op": "add", "path": "/endpoint", "value": [{"reference": f"Endpoint/{endpoint['id']}"}]}]
    patch = {"Content-Type": "application/json-patch+json"}
    changed = await office.patch(mine["reference"], json=add, headers=patch)
    assert changed.status_code == 200, changed.text

    answer = await found(
        doctor,
        "OrganizationAffiliation",
        **{
            "primary-organization": f"Organization/{SATELLITE}",
            "role": f"{AFFILIATION_KIND}|supports",
            "active": "true",
            "_include": "OrganizationAffiliation:participating-organization",
            "_include:iterate": "Organization:endpoint",
        },
    )
    (tie,) = of_type(answer, "OrganizationAffiliation").values()
    assert tie["participatingOrganization"] == mine
    assert set(of_type(answer, "Organization")) == {ITS_CORE}
    assert of_type(answer, "Endpoint")[endpoint["id"]]["address"] == "https://hai-duong.example/fhir"
    (by_house,) = await found(doctor, "Endpoint", organization=ITS_CORE, _id=endpoint["id"])
    assert by_house == endpoint


async def test_what_has_changed_since_yesterday_evening(
    service: RunningService, doctor: httpx.AsyncClient
) -> None:
    """A copy of the directory is kept up to date: what is new, what was changed, what is gone."""
    satellite = await service.system(SATELLITE)
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    place = {
        "resourceType": "Location",
        "status": "active",
        "name": "Phòng khám lao",
        "managingOrganization": {"reference": f"Organization/{SATELLITE}"},
    }
    kept, dropped = await created(satellite, place), await created(satellite, place)
    renamed = await satellite.put(f"Location/{kept['id']}", json=kept | {"name": "Phòng khám phổi"})
    assert renamed.status_code == 200, renamed.text
    assert (await satellite.delete(f"Location/{dropped['id']}")).status_code == 204

    told = await told_of(doctor, since, dropped["id"], 2)
    assert [entry["request"]["method"] for entry in told[kept["id"]]] == ["PUT", "POST"]
    assert told[kept["id"]][0]["resource"] == renamed.json()
    assert [entry["request"]["method"] for entry in told[dropped["id"]]] == ["DELETE", "POST"]
    assert "resource" not in told[dropped["id"]][0]
    # By a search: what there is now.
    now = of_type(await found(doctor, "Location", _lastUpdated=f"ge{since}"), "Location")
    assert now[kept["id"]]["name"] == "Phòng khám phổi"
    assert dropped["id"] not in now
