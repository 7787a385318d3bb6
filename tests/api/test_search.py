"""Search over HTTP: https://hl7.org/fhir/R4/http.html#search"""

import uuid
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle

from tests.running_service import RunningService

STATION, HOSPITAL = "le-chan-health-station", "viet-tiep-friendship-hospital"
# No other test sends anything to it or from it: all that it sees of patients is nothing.
STRANGER = "thanh-ha-medical-centre"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def system(service: RunningService) -> httpx.AsyncClient:
    return await service.system(STATION)


async def create(system: httpx.AsyncClient, resource_type: str, **content: Any) -> str:
    answer = await system.post(resource_type, json={"resourceType": resource_type, **content})
    assert answer.status_code == 201, answer.text
    created: str = answer.json()["id"]
    return created


def searchset(answer: httpx.Response) -> dict[str, Any]:
    """The Bundle of a search that went well."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    bundle: dict[str, Any] = answer.json()
    Bundle.model_validate_json(answer.content)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    assert bundle.get("entry") != []
    return bundle


def found(answer: httpx.Response, mode: str = "match") -> list[str]:
    """Type/id of the entries of a mode."""
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in searchset(answer).get("entry", [])
        if entry["search"]["mode"] == mode
    ]


def links(answer: httpx.Response) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in searchset(answer)["link"]}


@pytest.fixture
def tag() -> str:
    """An identifier of this test alone."""
    return f"urn:test|{uuid.uuid4()}"


async def patients(system: httpx.AsyncClient, tag: str, number: int) -> list[str]:
    identifier = [dict(zip(("system", "value"), tag.split("|"), strict=True))]
    return [f"Patient/{await create(system, 'Patient', identifier=identifier)}" for _ in range(number)]


async def test_entries_are_addressed_and_marked(
    system: httpx.AsyncClient, service: RunningService, tag: str
) -> None:
    (patient,) = await patients(system, tag, 1)
    answer = await system.get("Patient", params={"identifier": tag})
    (entry,) = searchset(answer)["entry"]
    assert entry["fullUrl"] == f"{service.fhir}/{patient}"
    assert entry["search"] == {"mode": "match"}
    assert entry["resource"] == (await system.get(patient)).json()
    self_link = urlsplit(links(answer)["self"])
    assert (self_link.path, parse_qsl(self_link.query)) == ("/fhir/Patient", [("identifier", tag)])
    assert "total" not in searchset(answer)
    assert "next" not in links(answer)


async def test_nothing_found_is_an_empty_searchset(system: httpx.AsyncClient, tag: str) -> None:
    bundle = searchset(await system.get("Patient", params={"identifier": tag}))
    assert set(bundle) == {"resourceType", "type", "link"}


async def test_next_links_lead_through_all_while_more_is_added(system: httpx.AsyncClient, tag: str) -> None:
    before = await patients(system, tag, 5)
    answer = await system.get("Patient", params={"identifier": tag, "_count": "2"})
    seen = found(answer)
    added = 0
    while "next" in links(answer):
        added += len(await patients(system, tag, 1)) if added < 2 else 0
        answer = await system.get(links(answer)["next"])
        assert "_cursor" not in links(answer)["self"]
        seen += found(answer)
    assert seen[:5] == before
    assert len(seen) == len(set(seen)) == 5 + added


async def test_the_number_of_matches_is_told_when_asked(system: httpx.AsyncClient, tag: str) -> None:
    await patients(system, tag, 3)
    for asked, entries in (
        ({"_total": "accurate", "_count": "2"}, 2),
        ({"_summary": "count"}, 0),
        ({"_count": "0"}, 0),
    ):
        bundle = searchset(await system.get("Patient", params={"identifier": tag, **asked}))
        assert (bundle["total"], len(bundle.get("entry", []))) == (3, entries)


async def test_a_search_by_post_is_the_same_search(system: httpx.AsyncClient, tag: str) -> None:
    created = await patients(system, tag, 3)
    got = await system.get("Patient", params={"identifier": tag, "_count": "2"})
    sent = {"identifier": tag, "_count": "2"}
    posted = await system.post("Patient/_search", data=sent, headers={"Content-Type": FORM})
    assert searchset(posted) == searchset(got)
    mixed = await system.post(
        "Patient/_search?_count=2", data={"identifier": tag}, headers={"Content-Type": FORM}
    )
    assert found(mixed) == found(got) == created[:2]
    bare = await system.post(f"Patient/_search?identifier={quote(tag)}")
    assert found(bare) == created


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"identifier=a", "application/json", 415),
        (b"identifier=a", "text/plain", 415),
        (b"identifier=%FF", FORM, 400),
        (b"identifier=\xff", FORM, 400),
        (b"identifier=%00", FORM, 400),
        (b"{}", FORM, 400),
        (b"_id=a&" * 200, FORM, 400),
        (b"_id=a&" * 2000, FORM, 400),
        (b"_id=" + b"a" * 300_000, FORM, 413),
        (b"_id=a", f"{FORM}; charset=UTF-8", 200),
    ],
)
async def test_forms(system: httpx.AsyncClient, body: bytes, media_type: str, status: int) -> None:
    answer = await system.post("Patient/_search", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "gender:foo=male",
        "birthdate=yesterday",
        "birthdate=xx2024",
        "_count=-1",
        "_count=x",
        "_sort=banana",
        "_include=Foo:bar",
        "_include=Task:focus",
        "_revinclude=Patient:organization",
        "_cursor=x",
        "_cursor=bnVsbA",
        "_id=%27;DROP",
        "name=%00",
        "name=%FF",
        "name=a,,b",
        "gender.name=x",
        "_has:Task:banana:status=x",
        "_total=all",
    ],
)
async def test_what_is_wrong_with_a_search_is_400_and_names_the_parameter(
    system: httpx.AsyncClient, query: str
) -> None:
    answer = await system.get(f"Patient?{query}")
    assert answer.status_code == 400, answer.text
    (issue,) = answer.json()["issue"]
    assert issue["code"] == "invalid"
    assert query.partition("=")[0].partition(":")[0] in issue["diagnostics"] or query == "name=%FF"


async def test_lenient_handling_passes_over_what_is_unknown(system: httpx.AsyncClient, tag: str) -> None:
    created = await patients(system, tag, 1)
    params = {"identifier": tag, "nonsense": "1"}
    answer = await system.get("Patient", params=params, headers={"Prefer": "handling=lenient"})
    assert found(answer) == created
    assert "nonsense" not in links(answer)["self"]
    assert (await system.get("Patient", params=params)).status_code == 400
    strict = await system.get("Patient", params=params, headers={"Prefer": "handling=strict"})
    assert strict.status_code == 400


@pytest.mark.parametrize(
    "value", ["'", "' OR 1=1 --", '"; DROP TABLE document; --', "%", "\\\\", "$1", "{x}", "😀"]
)
async def test_values_that_look_like_code_are_values(
    service: RunningService, system: httpx.AsyncClient, value: str
) -> None:
    card = f"{uuid.uuid4()}{value}"
    identifier = [{"system": "urn:test", "value": card.replace("\\\\", "\\")}]
    patient = await create(system, "Patient", identifier=identifier, name=[{"text": "Nguyễn " + card}])
    for params in ({"identifier": f"urn:test|{card}"}, {"name:contains": card}, {"name": f"nguyen {card}"}):
        answer = await system.get("Patient", params=params)
        if params.get("identifier") or "\\" not in value:
            assert found(answer) == [f"Patient/{patient}"]
        assert dict(parse_qsl(urlsplit(links(answer)["self"]).query)) == params
    assert found(await system.get("Patient", params={"identifier": f"urn:test|{value}"})) == []


async def test_names_are_found_without_marks(system: httpx.AsyncClient) -> None:
    word = uuid.uuid4().hex[:8]
    patient = await create(system, "Patient", name=[{"text": f"Nguyễn Đình {word}"}])
    for name in (f"nguyen dinh {word}", f"NGUYỄN ĐÌNH {word}"):
        assert found(await system.get("Patient", params={"name": name})) == [f"Patient/{patient}"]


@pytest.fixture
async def referral(service: RunningService, system: httpx.AsyncClient, tag: str) -> dict[str, str]:
    """A referral offered to the hospital, with one record of the patient that is not in its package."""
    (patient,) = await patients(system, tag, 1)
    inside = await create(system, "Condition", subject={"reference": patient}, code={"text": "x"})
    outside = await create(system, "Condition", subject={"reference": patient}, code={"text": "y"})
    request = await create(
        system,
        "ServiceRequest",
        status="active",
        intent="order",
        category=[{"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}],
        priority="urgent",
        subject={"reference": patient},
        requester={"reference": f"Organization/{STATION}"},
        performer=[{"reference": f"Organization/{HOSPITAL}"}],
        reasonReference=[{"reference": f"Condition/{inside}"}],
    )
    (task,) = found(await system.get("Task", params={"focus": f"ServiceRequest/{request}"}))
    return {
        "patient": patient,
        "inside": f"Condition/{inside}",
        "outside": f"Condition/{outside}",
        "request": f"ServiceRequest/{request}",
        "task": task,
    }


async def test_the_worklist_of_the_receiver_with_what_belongs_to_it(
    service: RunningService, referral: dict[str, str]
) -> None:
    hospital = await service.system(HOSPITAL)
    params = {
        "owner": f"Organization/{HOSPITAL}",
        "status": "requested,received,accepted,in-progress",
        "focus": referral["request"],
        "_include": ["Task:focus", "Task:patient", "Task:requester"],
        "_sort": "-_lastUpdated",
    }
    answer = await hospital.get("Task", params=params)
    assert found(answer) == [referral["task"]]
    assert set(found(answer, "include")) == {
        referral["request"],
        referral["patient"],
        f"Organization/{STATION}",
    }
    assert found(await hospital.get("Task", params={**params, "status": "completed"})) == []


async def test_an_offer_shows_its_package_and_nothing_else(
    service: RunningService, referral: dict[str, str]
) -> None:
    hospital = await service.system(HOSPITAL)
    answer = await hospital.get(
        "Patient",
        params={
            "_id": referral["patient"].partition("/")[2],
            "_revinclude": ["Condition:patient", "Task:patient"],
        },
    )
    assert found(answer) == [referral["patient"]]
    assert set(found(answer, "include")) == {referral["inside"], referral["task"]}


async def test_a_stranger_finds_nothing_by_any_way(
    service: RunningService, referral: dict[str, str], tag: str
) -> None:
    stranger = await service.system(STRANGER)
    patient, task, request = referral["patient"], referral["task"], referral["request"]
    searches: list[tuple[str, dict[str, str]]] = [
        ("Patient", {"_id": patient.partition("/")[2]}),
        ("Patient", {"identifier": tag}),
        ("Patient", {"identifier": tag, "_revinclude": "Task:patient"}),
        ("Condition", {"patient": patient}),
        ("ServiceRequest", {"patient": patient, "_include": "ServiceRequest:patient"}),
        ("ServiceRequest", {"requester": f"Organization/{STATION}", "subject": patient}),
        ("Task", {"_id": task.partition("/")[2], "_include": "Task:focus"}),
        ("Task", {"owner": f"Organization/{HOSPITAL}"}),
        ("Task", {"focus": request}),
        ("Task", {"status:not": "draft"}),
        ("Task", {"status:missing": "false"}),
    ]
    for resource_type, params in searches:
        bundle = searchset(await stranger.get(resource_type, params={**params, "_total": "accurate"}))
        assert (bundle["total"], bundle.get("entry")) == (0, None), (resource_type, params)
    # What is visible to the stranger leads to nothing of others either.
    answer = await stranger.get(
        "Organization", params={"_id": STATION, "_revinclude": "ServiceRequest:requester"}
    )
    assert (found(answer), found(answer, "include")) == ([f"Organization/{STATION}"], [])
    answer = await stranger.get("Organization", params={"_id": HOSPITAL, "_revinclude": "Task:owner"})
    assert found(answer, "include") == []


async def test_the_scope_limits_the_search_and_what_it_brings(
    service: RunningService, referral: dict[str, str]
) -> None:
    limited = await service.system(HOSPITAL, "system/Task.rs system/Organization.r")
    assert (await limited.get("ServiceRequest")).status_code == 403
    assert (await limited.get("Organization")).status_code == 403
    params = {"_id": referral["task"].partition("/")[2], "_include": ["Task:focus", "Task:owner"]}
    answer = await limited.get("Task", params=params)
    assert found(answer, "include") == [f"Organization/{HOSPITAL}"]


async def test_without_a_token_nothing_is_found(service: RunningService) -> None:
    async with service.anonymous() as somebody:
        for answer in (await somebody.get("/fhir/Patient"), await somebody.post("/fhir/Patient/_search")):
            assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, "login")


@pytest.mark.parametrize("resource_type", ["Medication", "patient", "Bundle"])
async def test_a_type_that_is_not_stored_is_named(system: httpx.AsyncClient, resource_type: str) -> None:
    for answer in (await system.get(resource_type), await system.post(f"{resource_type}/_search")):
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-supported")
        assert resource_type in answer.text
