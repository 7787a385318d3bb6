"""What a network's lists and forms say at the door: told to sender and receiver, and in nobody's way."""

from typing import Any

import httpx

from referral.domain.policy_rules import ICD_10
from referral.store.pool import Store
from tests.conftest import Database
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    Case,
    completion,
    created,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService
from tests.scenarios.test_two_policies import condition, qinghe

TELLS = {"Prefer": "return=OperationOutcome"}
LOTUS, UNION, RIVER = "lotus-pond-centre", "qinghe-union-hospital", "east-river-hospital"
NO_CRITERION = "No code of the referral meets a criterion of the way up."


def reason(code: str) -> dict[str, Any]:
    return {"reasonCode": [{"coding": [{"system": ICD_10, "code": code}]}]}


def notes(answer: httpx.Response) -> str:
    assert answer.status_code in {200, 201}, answer.text
    return "\n".join(issue["diagnostics"] for issue in answer.json()["issue"])


async def said(system: httpx.AsyncClient, address: str, name: str) -> list[dict[str, str]]:
    """The parameters of this name in $moves: each part by its name."""
    answer = await system.get(f"{address}/$moves")
    assert answer.status_code == 200, answer.text
    return [
        {part["name"]: part.get("valueCode") or part["valueString"] for part in one["part"]}
        for one in answer.json().get("parameter", ())
        if one["name"] == name
    ]


async def submitted(system: httpx.AsyncClient, **more: Any) -> str:
    who = await created(system, patient())
    return notes(await system.post("ServiceRequest", json=request(who["id"], **more), headers=TELLS))


async def ended(case: Case, disposition: str) -> str:
    """What the receiver is told as it completes the offer."""
    await case.moved(case.receiver, "in-progress")
    written = await created(case.receiver, summary(case.patient["id"]))
    task = await case.task(case.receiver)
    content = task | {"status": "completed", "output": completion(written["id"], disposition=disposition)}
    content.pop("businessStatus")
    headers = TELLS | {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
    return notes(await case.receiver.put(f"Task/{case.offer_id}", json=content, headers=headers))


async def test_a_union_tells_what_its_lists_say(store: Store, database: Database):
    async with qinghe(store, database) as service:
        station = await service.system(LOTUS)
        told = await submitted(station, **reason("A22.1"))
        assert "A22.1 is notifiable: told to the office" in told
        assert "Source: notice of the union (invented), 2026-01-01." in told
        assert NO_CRITERION in told
        told = await submitted(station, **reason("I21.0"))
        assert "I21.0 meets a criterion of the way up: what a centre does not keep." in told
        assert "notifiable" not in told
        # Of a diagnosis that stands in a Condition too, to who sees it: at submit, at work and at the end.
        who = await created(station, patient())
        copd = await created(station, condition(who["id"], "J44.1"))
        named = {"reasonReference": [{"reference": f"Condition/{copd['id']}"}]}
        case = await offered(service, LOTUS, UNION, subject={"reference": f"Patient/{who['id']}"}, **named)
        case.patient = who
        offer, referral = f"Task/{case.offer_id}", f"ServiceRequest/{case.request['id']}"
        assert await said(case.receiver, offer, "advice") == []
        await case.moved(case.receiver, "in-progress")
        (told_in_care,) = await said(case.receiver, offer, "advice")
        assert told_in_care == {
            "code": "down-criterion",
            "text": "J44.1 can be cared for at a station: long illness under control.",
            "source": "criteria of the union (invented), 2026-01-01",
        }
        assert await said(case.sender, offer, "advice") == []
        form = [{"code": "G", "source": "charter of the union (invented)"}]
        assert await said(case.receiver, offer, "form") == form
        assert await said(case.sender, referral, "form") == form
        assert "J44.1 can be cared for at a station" in await ended(case, "discharged")
        await a_draft_has_its_advice_before_it_is_sent(service)


async def a_draft_has_its_advice_before_it_is_sent(service: RunningService) -> None:
    station = await service.system(LOTUS)
    who = await created(station, patient())
    draft = await created(station, request(who["id"], status="draft", **reason("A00")))
    told = await said(station, f"ServiceRequest/{draft['id']}", "advice")
    assert [one["code"] for one in told] == ["notifiable", "no-up-criterion"]
    assert await said(station, f"ServiceRequest/{draft['id']}", "form") == []
    # One who returns is where the list would have him; a form for equals is not named there.
    case = await offered(service, LOTUS, RIVER, **reason("J44"))
    assert await said(case.sender, f"Task/{case.offer_id}", "form") == [
        {"code": "U", "source": "charter of the union (invented)"}
    ]
    assert "can be cared for" not in await ended(case, "returned-to-referrer")


async def test_where_no_list_has_a_source_nothing_is_said(service: RunningService):
    station = await service.system(LE_CHAN)
    told = await submitted(station, **reason("A22.1"))
    assert "notifiable" not in told
    assert "criterion" not in told
    case = await offered(service, LE_CHAN, KIEN_AN, **reason("J44.1"))
    await case.moved(case.receiver, "in-progress")
    assert await said(case.receiver, f"Task/{case.offer_id}", "advice") == []
    # It names forms; the levels of the facilities have no source yet.
    assert await said(case.receiver, f"Task/{case.offer_id}", "form") == []
    assert "can be cared for" not in await ended(case, "discharged")
