"""Valid requests changed at any place: taken or refused, always in JSON, never a 5xx."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.actions.import_network import import_network
from referral.store.pool import Store
from tests.api.mutations import MUTATIONS, VALUES, Mutation, mutated
from tests.api.refusals import outcome
from tests.conftest import Database, serve
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    B,
    created,
    observation,
    offer,
    offered,
    patient,
    request,
)
from tests.running_service import RunningService
from tests.small_network import small_network

# The same examples in every run; no stored ones, so that one machine sees what another does.
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WHO = "urn:uuid:11111111-2222-4333-8444-555555555555"
ASKED = "urn:uuid:66666666-7777-4888-9999-aaaaaaaaaaaa"
ABOUT_WHO = {"reference": WHO}

CANCEL_REASON = {
    "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
    "valueCodeableConcept": {"coding": [{"code": "patient-declined"}], "text": "Stays at home"},
}
NETWORK = {
    "url": f"{B}/StructureDefinition/network",
    "valueReference": {"reference": f"Organization/{OFFICE}"},
}
ETA = {"type": {"coding": [{"code": "eta"}]}, "valueDateTime": "2026-01-05T10:00:00Z"}
MOVES = [
    ("received", "awaiting-information"),
    ("accepted", "visit-scheduled"),
    ("accepted", "accepted"),
    ("rejected", "referred-onward"),
    ("rejected", "rejected"),
    ("cancelled", "withdrawn"),
    ("completed", "completed"),
]


async def send(client: httpx.AsyncClient, method: str, address: str, content: Any, version: int = 0) -> None:
    """The answer blames the client or takes what was sent."""
    headers = {"If-Match": f'W/"{version}"'} if version else {}
    body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    answer = await client.request(method, address, content=body, headers=headers)
    if answer.status_code >= 300:
        outcome(answer)
    assert answer.json()["resourceType"]


@EXAMPLES
@given(mutations=MUTATIONS)
async def test_any_referral(service: RunningService, mutations: list[Mutation]) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    valid = request(
        who["id"],
        KIEN_AN,
        authoredOn="2026-01-05",
        identifier=[{"system": "urn:test:any-order", "value": who["id"]}],
        extension=[{"url": f"{B}/StructureDefinition/direction", "valueCode": "up"}, NETWORK],
    )
    await send(station, "POST", "ServiceRequest", mutated(valid, mutations))


@EXAMPLES
@given(mutations=MUTATIONS, status=st.sampled_from(["active", "revoked", "entered-in-error", "completed"]))
async def test_any_update_of_a_referral(
    service: RunningService, mutations: list[Mutation], status: str
) -> None:
    case = await offered(service)
    valid = case.request | {"status": status, "extension": [*case.request["extension"], CANCEL_REASON]}
    await send(
        case.sender, "PUT", f"ServiceRequest/{case.request['id']}", mutated(valid, mutations), version=1
    )


@EXAMPLES
@given(mutations=MUTATIONS, move=st.sampled_from(MOVES))
async def test_any_move(service: RunningService, mutations: list[Mutation], move: tuple[str, str]) -> None:
    status, business = move
    case = await offered(service)
    version = 1
    if status == "completed":
        await case.moved(case.receiver, "accepted")
        version = 2
    outputs = [
        ("target", {"valueReference": {"reference": f"Organization/{AN_LAO}"}}),
        ("outcome", {"valueCodeableConcept": {"coding": [{"code": "died"}]}}),
        ("disposition", {"valueCodeableConcept": {"coding": [{"code": "died"}]}}),
    ]
    valid = await case.task() | {
        "status": status,
        "businessStatus": {"coding": [{"code": business}]},
        "statusReason": {"coding": [{"code": "other"}], "text": "Full"},
        "executionPeriod": {"start": "2026-01-05"},
        "note": [{"text": "x"}],
        "output": [{"type": {"coding": [{"code": code}]}, **value} for code, value in outputs],
    }
    who = case.sender if business == "withdrawn" else case.receiver
    await send(who, "PUT", f"Task/{case.offer_id}", mutated(valid, mutations), version)


@EXAMPLES
@given(mutations=MUTATIONS)
async def test_any_transaction(service: RunningService, mutations: list[Mutation]) -> None:
    resources = [
        patient(identifier=[{"system": "urn:test:any", "value": "1"}]),
        request("x", KIEN_AN, subject=ABOUT_WHO, authoredOn="2026-01-05"),
        offer("x", KIEN_AN, focus={"reference": ASKED}, executionPeriod={"start": "2026-01-05"}, input=[ETA]),
        observation("x", subject=ABOUT_WHO, effectivePeriod={"end": "2026-01"}),
    ]
    entries: list[dict[str, Any]] = [
        {"request": {"method": "POST", "url": resource["resourceType"]}, "resource": resource}
        for resource in resources
    ]
    entries[0]["fullUrl"], entries[1]["fullUrl"] = WHO, ASKED
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    await send(await service.system(LE_CHAN), "POST", "", mutated(bundle, mutations))


@EXAMPLES
@given(mutations=MUTATIONS)
async def test_any_question(service: RunningService, mutations: list[Mutation]) -> None:
    valid = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "serviceRequest", "resource": request("x", status="draft")},
            {"name": "count", "valueInteger": 3},
            {"name": "excluded", "valueBoolean": True},
        ],
    }
    system = await service.system(LE_CHAN)
    await send(system, "POST", "ServiceRequest/$suggest-targets", mutated(valid, mutations))


@pytest.fixture
async def office(store: Store, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The office of a network of its own, where no other test looks."""
    await import_network(store, small_network(), datetime.now(UTC))
    async with serve(database.dsn) as running:
        yield await running.system("hill")


@EXAMPLES
@given(
    mutations=MUTATIONS,
    kind=st.sampled_from(["HealthcareService", "Location", "Organization", "OrganizationAffiliation"]),
    position=st.integers(0, 100),
)
async def test_any_directory_resource(
    office: httpx.AsyncClient, mutations: list[Mutation], kind: str, position: int
) -> None:
    found = (await office.get(kind, params={"_count": "20"})).json()["entry"]
    valid = found[position % len(found)]["resource"]
    await send(office, "POST", kind, mutated(valid, mutations))
    await send(office, "PUT", f"{kind}/{valid['id']}", mutated(valid, mutations))


@EXAMPLES
@given(
    body=st.binary(max_size=60)
    | st.text(max_size=30).map(str.encode)
    | VALUES.map(json.dumps).map(str.encode)
)
async def test_any_bytes(service: RunningService, body: bytes) -> None:
    station = await service.system(LE_CHAN)
    for address in ("", "Patient", "ServiceRequest/$suggest-targets"):
        await send(station, "POST", address, body)
