"""POST and GET $suggest-targets over HTTP, in the demo network."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.parameters import Parameters

from referral.fhir import systems
from tests.factories import AN_LAO, KIEN_AN, VIET_TIEP, B, offered
from tests.running_service import RunningService

STATION = "le-chan-health-station"
SUGGEST = "ServiceRequest/$suggest-targets"
APPENDECTOMY = "27.0187.2039"


def draft(technique: str = APPENDECTOMY, **elements: Any) -> dict[str, Any]:
    coding = {"system": systems.technique_system("qd4440-2020"), "code": technique}
    return {"resourceType": "ServiceRequest", "code": {"coding": [coding]}, **elements}


def parameters(*entries: dict[str, Any], request: dict[str, Any] | None = None) -> dict[str, Any]:
    sent = [] if request is None else [{"name": "serviceRequest", "resource": request}]
    return {"resourceType": "Parameters", "parameter": [*sent, *entries]}


def parts(answer: httpx.Response, name: str) -> list[dict[str, Any]]:
    """The parts of each parameter of this name, those that occur once by their name."""
    content = json.loads(answer.content, parse_float=Decimal)
    return [
        {part["name"]: part for part in entry["part"]}
        | {"terms": [part["part"] for part in entry["part"] if part["name"] == "term"]}
        for entry in content.get("parameter", ())
        if entry["name"] == name
    ]


def targets(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [
        entry["target"]["valueReference"]["reference"].removeprefix("Organization/")
        for entry in parts(answer, "suggestion")
    ]


async def place(system: httpx.AsyncClient, **elements: Any) -> str:
    patient = await system.post("Patient", json={"resourceType": "Patient", "birthDate": "1960-01-01"})
    kind = {"coding": [{"system": systems.REFERRAL_KIND, "code": "referral"}]}
    subject = {"reference": f"Patient/{patient.json()['id']}"}
    content = draft(status="active", intent="order", category=[kind], subject=subject, **elements)
    answer = await system.post("ServiceRequest", json=content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_draft_is_ranked_with_terms_that_add_up(service: RunningService) -> None:
    system = await service.system(STATION)
    answer = await system.post(SUGGEST, json=parameters(request=draft()))
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert targets(answer)[:2] == ["kien-an-hospital", "an-lao-medical-centre"]
    Parameters.model_validate_json(answer.content)
    for entry in parts(answer, "suggestion"):
        minutes = [
            {part["name"]: part for part in term}["minutes"]["valueDecimal"] for term in entry["terms"]
        ]
        assert entry["cost"]["valueQuantity"]["value"] == sum(minutes)
        assert entry["target"]["valueReference"]["display"]
    assert parts(answer, "excluded") == []


async def test_the_way_from_an_island_is_a_ferry(service: RunningService) -> None:
    system = await service.system("cat-hai-health-station")
    answer = await system.post(SUGGEST, json=parameters(request=draft("10.0005.0370")))
    assert targets(answer)[0] == "viet-tiep-friendship-hospital"
    texts = [part.get("valueString", "") for term in parts(answer, "suggestion")[0]["terms"] for part in term]
    assert any("ferry" in text for text in texts)


async def test_a_stored_referral_is_asked_about_in_three_ways(service: RunningService) -> None:
    system = await service.system(STATION)
    address = f"ServiceRequest/{await place(system)}/$suggest-targets"
    first = await system.get(address)
    count = {"name": "count", "valuePositiveInt": 1}
    assert targets(first)[0] == "kien-an-hospital"
    assert (await system.post(address)).content == first.content
    assert targets(await system.get(address, params={"count": "1"})) == ["kien-an-hospital"]
    assert targets(await system.post(address, json=parameters(count))) == ["kien-an-hospital"]


async def test_who_is_ruled_out_comes_with_the_rule(service: RunningService) -> None:
    system = await service.system(STATION)
    excluded = {"name": "excluded", "valueBoolean": True}
    answer = await system.post(SUGGEST, json=parameters(excluded, request=draft()))
    rules = {
        entry["target"]["valueReference"]["reference"]: entry["rule"]["valueCode"]
        for entry in parts(answer, "excluded")
    }
    assert rules["Organization/cat-hai-health-station"] == "policy"
    assert f"Organization/{STATION}" not in rules
    assert not {f"Organization/{target}" for target in targets(answer)} & rules.keys()


@pytest.mark.parametrize("word", [None, "lateral"])
async def test_the_direction_of_a_rejected_offer_decides_nothing_that_of_the_sender_does(
    service: RunningService, word: str | None
) -> None:
    said = {"extension": [{"url": f"{B}/StructureDefinition/direction", "valueCode": word}]} if word else {}
    case = await offered(service, AN_LAO, KIEN_AN, **said)
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    address = f"ServiceRequest/{case.request['id']}/$suggest-targets?count=50&excluded=true"
    answer = await case.sender.get(address)
    rules = {
        entry["target"]["valueReference"]["reference"].removeprefix("Organization/"): entry["rule"][
            "valueCode"
        ]
        for entry in parts(answer, "excluded")
    }
    assert rules[KIEN_AN] == "rejected"
    assert (VIET_TIEP in targets(answer)) is (word is None)
    assert rules.get(VIET_TIEP) == (None if word is None else "policy")


async def test_an_unknown_technique_is_done_by_nobody(service: RunningService) -> None:
    system = await service.system(STATION)
    answer = await system.post(SUGGEST, json=parameters(request=draft("00.0000.0000")))
    assert (answer.status_code, answer.json()) == (200, {"resourceType": "Parameters"})


async def test_a_stranger_finds_no_referral_by_any_way(service: RunningService) -> None:
    sent = await place(await service.system(STATION))
    stranger = await service.system("cat-hai-health-station")
    for request in (sent, "no-such-referral"):
        address = f"ServiceRequest/{request}/$suggest-targets"
        for answer in (await stranger.get(address), await stranger.post(address)):
            assert answer.status_code == 404
            assert answer.json()["issue"][0]["code"] == "not-found"


async def test_a_token_is_needed(service: RunningService) -> None:
    async with service.anonymous() as nobody:
        for address in (f"/fhir/{SUGGEST}", "/fhir/ServiceRequest/x/$suggest-targets"):
            assert (await nobody.post(address, json=parameters(request=draft()))).status_code == 401
        assert (await nobody.get("/fhir/ServiceRequest/x/$suggest-targets")).status_code == 401


async def test_the_scope_must_allow_to_read_referrals(service: RunningService) -> None:
    system = await service.system(STATION, "system/Patient.rs system/ServiceRequest.c")
    assert (await system.post(SUGGEST, json=parameters(request=draft()))).status_code == 403
    assert (await system.get("ServiceRequest/x/$suggest-targets")).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "structure"),
        (b"[]", 400, "structure"),
        (b'{"resourceType": "Parameters", "resourceType": "Parameters"}', 400, "structure"),
        (json.dumps(draft()).encode(), 400, "invalid"),
        (json.dumps(parameters({"name": "limit", "valueInteger": 1})).encode(), 400, "invalid"),
        (json.dumps(parameters({"name": "count", "valuePositiveInt": 0})).encode(), 400, "invalid"),
        (json.dumps(parameters(request=draft(priority="now"))).encode(), 400, "code-invalid"),
        (json.dumps({"resourceType": "Parameters"}).encode(), 422, "required"),
    ],
)
async def test_bad_parameters_are_told(service: RunningService, body: bytes, status: int, code: str) -> None:
    system = await service.system(STATION)
    answer = await system.post(SUGGEST, content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert {issue["code"] for issue in answer.json()["issue"]} == {code}


@pytest.mark.parametrize("query", ["limit=1", "count=0", "count=1&count=2", "excluded=perhaps"])
async def test_bad_queries_are_told(service: RunningService, query: str) -> None:
    system = await service.system(STATION)
    answer = await system.get(f"ServiceRequest/{await place(system)}/$suggest-targets?{query}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid")


async def test_an_address_that_can_be_no_id_is_refused(service: RunningService) -> None:
    system = await service.system(STATION)
    assert (await system.get("ServiceRequest/a%00b/$suggest-targets")).status_code == 400
