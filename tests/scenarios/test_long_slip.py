"""A slip is good for longer by what the patient has, wherever that is said of the referral."""

from typing import Any

import httpx

from referral.domain.policy_rules import ICD_10
from referral.store.pool import Store
from tests.conftest import Database
from tests.factories import Resource, created, patient, request
from tests.owner import behind_the_wall
from tests.scenarios.test_two_policies import condition, qinghe

LONG, SHORT = "I10", "K35"
LOTUS = "lotus-pond-centre"


async def sent_with(station: httpx.AsyncClient, *codes: str, **more: Any) -> Resource:
    """A referral whose reasons are Conditions that were stored before."""
    who = await created(station, patient())
    stored = [await created(station, condition(who["id"], code)) for code in codes]
    named = [{"reference": f"Condition/{one['id']}"} for one in stored]
    return await created(station, request(who["id"], reasonReference=named, **more))


async def brought(station: httpx.AsyncClient, code: str) -> Resource:
    """A referral with its reason in one transaction."""
    who, urn = await created(station, patient()), "urn:uuid:0c3b0a52-0c52-4f0c-9f53-3a5b9b1f0002"
    asked = request(who["id"], reasonReference=[{"reference": urn}])
    entries = [
        {
            "fullUrl": urn,
            "resource": condition(who["id"], code),
            "request": {"method": "POST", "url": "Condition"},
        },
        {"resource": asked, "request": {"method": "POST", "url": "ServiceRequest"}},
    ]
    answer = await station.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["entry"][1]["resource"])


async def test_a_long_illness_makes_a_long_slip_however_it_is_named(store: Store, database: Database) -> None:
    async with qinghe(store, database) as service:
        station = await service.system(LOTUS)
        who = await created(station, patient())
        said = [{"coding": [{"system": ICD_10, "code": LONG}]}]
        draft = await sent_with(station, LONG, status="draft")
        submitted = await station.put(
            f"ServiceRequest/{draft['id']}", json=draft | {"status": "active"}, headers={"If-Match": 'W/"1"'}
        )
        assert submitted.status_code == 200, submitted.text
        long = {
            "said": await created(station, request(who["id"], reasonCode=said)),
            "brought": await brought(station, LONG),
            "stored": await sent_with(station, LONG),
            "one of two": await sent_with(station, SHORT, LONG),
            "a draft": draft,
        }
        short = {
            "none": await created(station, request(who["id"])),
            "brought": await brought(station, SHORT),
            "stored": await sent_with(station, SHORT),
        }
    async with behind_the_wall(store) as owner:
        rows = await owner.fetch(
            "SELECT referral, extract(day FROM escalate_at - since) AS days FROM deadline WHERE slot = 'slip'"
        )
    days = {row["referral"]: row["days"] for row in rows}
    assert {name: days[one["id"]] > 300 for name, one in long.items()} == dict.fromkeys(long, True)
    assert {name: days[one["id"]] < 60 for name, one in short.items()} == dict.fromkeys(short, True)
