"""What a network weighs when targets are ranked, and which results a receiver need not repeat: its policy."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from referral.actions.refresh_network import refresh_network, watch_network
from referral.domain.facility import FacilityId
from referral.domain.policy_rules import LOINC
from referral.fhir.systems import RECOGNITION_EXTENSION
from referral.network.snapshot import SnapshotHolder
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    Case,
    created,
    observation,
    offered,
    patient,
    request,
)
from tests.running_service import RunningService
from tests.scenarios.test_two_policies import QINGHE, qinghe

LOTUS, NORTH, UNION, CITY = (
    "lotus-pond-centre",
    "north-gate-centre",
    "qinghe-union-hospital",
    "qinghe-city-hospital",
)
SURGERY = {
    "code": {
        "coding": [{"system": "http://referral.example/fhir/CodeSystem/technique-qinghe-2026", "code": "Q04"}]
    }
}


def blood(patient_id: str, days: int, code: str = "718-7", **more: Any) -> dict[str, Any]:
    """A result of so many days ago."""
    taken = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    coded = {"code": {"coding": [{"system": LOINC, "code": code}]}, "effectiveDateTime": taken}
    return observation(patient_id, **coded | more)


async def terms(system: Any, asked: dict[str, Any]) -> dict[str, dict[str, tuple[Decimal, str]]]:
    """By target and code what a term costs, and why; the terms add up."""
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "serviceRequest", "resource": asked}]}
    answer = await system.post("ServiceRequest/$suggest-targets", json=parameters)
    assert answer.status_code == 200, answer.text
    found = {}
    for one in answer.json()["parameter"]:
        parts = {part["name"]: part for part in one["part"]}
        told = [{p["name"]: p for p in part["part"]} for part in one["part"] if part["name"] == "term"]
        costs = {
            term["code"]["valueCode"]: (
                Decimal(str(term["minutes"]["valueDecimal"])),
                term["text"]["valueString"],
            )
            for term in told
        }
        assert sum(minutes for minutes, _ in costs.values()) == Decimal(
            str(parts["cost"]["valueQuantity"]["value"])
        )
        found[parts["target"]["valueReference"]["reference"].removeprefix("Organization/")] = costs
    return found


async def shown(case: Case, receiver: bool = True) -> list[dict[str, Any]]:
    """The supportingInfo of the referral in $everything."""
    system = case.receiver if receiver else case.sender
    answer = await system.get(f"ServiceRequest/{case.request['id']}/$everything")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entry"][0]["resource"]["supportingInfo"])


async def sent_beside(sender: Any, case: Case) -> str:
    """How many others are sent to the union's hospital, as the sender of a stored referral is told."""
    stored = (await sender.get(f"ServiceRequest/{case.request['id']}")).json()
    return (await terms(sender, stored))[UNION]["wait"][1]


async def bringing(
    service: RunningService, sender: str, receiver: str, *results: dict[str, Any], **more: Any
) -> Case:
    """An offer of a patient whose results go along."""
    station = await service.system(sender)
    who = await created(station, patient())
    made = [
        await created(station, one | {"subject": {"reference": f"Patient/{who['id']}"}}) for one in results
    ]
    named = [{"reference": f"Observation/{one['id']}"} for one in made]
    about = {"subject": {"reference": f"Patient/{who['id']}"}, "supportingInfo": named}
    case = await offered(service, sender, receiver, **about, **more)
    case.patient = who
    return case


async def test_a_union_weighs_what_it_has_agreed(store: Store, database: Database):
    async with qinghe(store, database) as service:
        results = [blood("", 1), blood("", 20), blood("", 1, "2951-2"), blood("", 1, status="preliminary")]
        results += [blood("", 1, performer=[{"reference": f"Organization/{CITY}"}])]
        case = await bringing(service, LOTUS, UNION, *results, **SURGERY)
        # What the receiver may rely on: of its partner, of a kind and an age that the rule names, and final.
        first, *others = await shown(case)
        (mark,) = first["extension"]
        parts = {part["url"]: part for part in mark["extension"]}
        last = (datetime.now(UTC) + timedelta(days=13)).date().isoformat()
        assert (mark["url"], parts["until"]["valueDate"]) == (RECOGNITION_EXTENSION, last)
        assert parts["rule"]["valueCode"] == "results-14-days"
        tie = await case.receiver.get(parts["basis"]["valueReference"]["reference"])
        assert tie.json()["participatingOrganization"]["reference"] == f"Organization/{LOTUS}"
        assert not any("extension" in one for one in others)
        assert not any("extension" in one for one in await shown(case, receiver=False))
        stored = (await case.receiver.get(f"ServiceRequest/{case.request['id']}")).json()
        assert not any("extension" in one for one in stored["supportingInfo"])
        # Nobody waits for who has arrived; the patient is known there now, and how long it took.
        waiting = await offered(service, NORTH, UNION, **SURGERY)
        holder = SnapshotHolder()
        await refresh_network(store, holder)
        assert holder.current.answers.expected(QINGHE.network, FacilityId(UNION)) is None
        assert holder.current.sent.others(QINGHE.network, None) == {UNION: 2}
        watch = asyncio.create_task(
            watch_network(store, holder, every=0.01, answers_every=0.0, sent_every=0.0)
        )
        await case.moved(case.receiver, "accepted")
        async with asyncio.timeout(30):
            while not holder.current.answers.answers(QINGHE.network, FacilityId(UNION)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await case.moved(case.receiver, "in-progress")
        async with asyncio.timeout(30):
            while holder.current.sent.others(QINGHE.network, None) != {UNION: 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        assert (await shown(case))[0]["extension"]
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(
        "UPDATE offer o SET authored_on = e.at - interval '60 min' FROM event e"
        " WHERE e.id = o.id AND e.to_state = 'accepted'"
    )
    await owner.close()
    # How long an answer takes is known from the start on.
    async with serve(database.dsn) as service:
        station = await service.system(LOTUS)
        asked = request(case.patient["id"], supportingInfo=stored["supportingInfo"], **SURGERY)
        costs = await terms(station, asked)
        assert list(costs[UNION]) == [
            *("travel", "answer", "wait", "level", "insurance", "continuity", "green-channel", "results")
        ]
        assert costs[UNION]["answer"] == (Decimal("6.0"), "60 min until an answer, by 1 of its own")
        assert costs[UNION]["wait"] == (Decimal("2.0"), "1 other patient is sent there")
        assert costs[UNION]["continuity"] == (Decimal("0.0"), "the patient was in care there before")
        assert costs[UNION]["insurance"][0] == 15
        assert costs[UNION]["insurance"][1].endswith("(tables of the union (invented))")
        assert costs[UNION]["results"] == (Decimal("12.5"), "1 of 2 results need not be repeated there")
        other = next(costs[target] for target in costs if target != UNION)
        assert other["answer"][1] == "60 min until an answer, as in the whole network"
        assert other["wait"] == (Decimal("0.0"), "nobody else is sent there")
        assert other["continuity"] == (Decimal("10.0"), "no care there is known of")
        assert other["results"] == (Decimal("25.0"), "0 of 2 results need not be repeated there")
        # Who does not see that care is not told of it.
        north = await service.system(NORTH)
        who = await created(north, patient(identifier=case.patient["identifier"]))
        costs = await terms(north, request(who["id"], **SURGERY))
        assert costs[UNION]["continuity"] == (Decimal("10.0"), "no care there is known of")
        # Who is sent there is none of the others, whether the offer was counted or is newer than the count.
        assert await sent_beside(north, waiting) == "nobody else is sent there"
        newer = await offered(service, LOTUS, UNION, **SURGERY)
        assert await sent_beside(station, newer) == "1 other patient is sent there"
        # Who has no agreement does not get one by naming who has.
        claimed = await bringing(
            service,
            NORTH,
            UNION,
            blood("", 1, performer=[{"reference": f"Organization/{LOTUS}"}]),
            **SURGERY,
        )
        assert not any("extension" in one for one in await shown(claimed))


async def test_where_the_policy_has_no_window_and_no_weight_there_is_nothing(service: RunningService):
    case = await bringing(service, LE_CHAN, KIEN_AN, blood("", 1))
    assert not any("extension" in one for one in await shown(case))
    asked = request(case.patient["id"], supportingInfo=case.request["supportingInfo"])
    costs = await terms(case.sender, asked)
    assert {tuple(one) for one in costs.values()} == {("travel", "level")}
