"""What lapses with its slip, and what its sender does then: dismiss it, or send a new one in its place."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from referral.actions.lapse_referral import plan_lapse
from referral.actions.new_id import new_id
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.errors import IllegalMove
from referral.domain.facility import FacilityId
from referral.domain.scope import Scopes
from referral.store.change_set import WriteRequest, apply_changes, load_for_write
from tests.api.legal_path import check_path
from tests.api.refusals import refused
from tests.api.test_claim import claim, number_of
from tests.api.test_every_move import moves_of
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    B,
    Case,
    Resource,
    business,
    created,
    offered,
    patient,
    request,
)
from tests.running_service import RunningService

REASON_URL = "http://hl7.org/fhir/StructureDefinition/request-statusReason"


async def lapse(service: RunningService, referral: str, *, ended: timedelta = timedelta()) -> None:
    """What the clock does when the slip has ended so long ago."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    async with service.store.writing(OFFICE) as connection:
        loaded = await load_for_write(connection, WriteRequest(OFFICE, focus=[referral]))
        at = loaded.not_before(now)
        actor = Actor(FacilityId(OFFICE), "clock", Scopes(frozenset()))
        workspace = Workspace(actor, at, None, service.fhir, lambda: new_id(at), loaded, clock=now)
        plan_lapse(workspace, referral, at - ended)
        await apply_changes(connection, workspace.finish())


async def put(case: Case, **more: Any) -> httpx.Response:
    """The referral as it stands, with something else."""
    before = await case.referral()
    headers = {"If-Match": f'W/"{before["meta"]["versionId"]}"'}
    return await case.sender.put(f"ServiceRequest/{before['id']}", json=before | more, headers=headers)


def reason(request_: Resource) -> Resource:
    return dict(
        next(one["valueCodeableConcept"] for one in request_["extension"] if one["url"] == REASON_URL)
    )


async def test_the_slip_ends_an_offer_and_its_referral(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    with pytest.raises(IllegalMove, match="still holds"):
        await lapse(service, case.request["id"], ended=timedelta(days=-1))
    await lapse(service, case.request["id"])
    task, after = await case.task(), await case.referral()
    assert (task["status"], business(task), after["status"]) == ("cancelled", "lapsed", "revoked")
    assert reason(after)["coding"][0]["code"] == reason_code(task) == "slip-expired"
    assert (await case.receiver.get(f"Patient/{case.patient['id']}")).status_code == 404
    with pytest.raises(IllegalMove):
        await lapse(service, case.request["id"])
    await check_path(service, case.request["id"])


def reason_code(task: Resource) -> str:
    return str(task["statusReason"]["coding"][0]["code"])


async def test_who_is_on_the_way_or_there_never_lapses(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    await case.moved(case.sender, "accepted", businessStatus={"coding": [{"code": "in-transit"}]})
    with pytest.raises(IllegalMove):
        await lapse(service, case.request["id"])
    await case.moved(case.receiver, "in-progress")
    with pytest.raises(IllegalMove):
        await lapse(service, case.request["id"])


async def test_a_lapsed_referral_is_dismissed_with_a_reason(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    case = Case(station, station, "", who, asked, "")
    await lapse(service, asked["id"])
    assert (await moves_of(station, case, "ServiceRequest"))["owes"] == "sender"
    # As it is read, it says nothing new.
    assert (await put(case)).json() == await case.referral()
    kept = [one for one in (await case.referral())["extension"] if one["url"] != REASON_URL]
    wrong = {"url": REASON_URL, "valueCodeableConcept": {"coding": [{"code": "no-such"}], "text": "x"}}
    refused(await put(case, extension=[*kept, wrong]), 400, "code-invalid", "ServiceRequest.extension")
    went = {
        "url": REASON_URL,
        "valueCodeableConcept": {
            "coding": [{"code": "transferred-outside-network"}],
            "text": "Went to an army hospital",
        },
    }
    answer = await put(case, extension=[*kept, went])
    assert answer.status_code == 200, answer.text
    assert reason(answer.json())["coding"][0]["system"].endswith("/CodeSystem/withdraw-reason")
    assert "owes" not in await moves_of(station, case, "ServiceRequest")
    await check_path(service, asked["id"])


async def test_the_office_dismisses_where_the_sender_is_silent(service: RunningService):
    case, office = await offered(service), await service.system(OFFICE)
    await lapse(service, case.request["id"])
    theirs = replace(case, sender=office)
    moves = await moves_of(office, theirs, "ServiceRequest")
    assert ("dismiss" in moves, "replace" in moves) == (True, False)
    refused(await put(theirs), 403, "forbidden")
    kept = [one for one in (await case.referral())["extension"] if one["url"] != REASON_URL]
    closed = {"url": REASON_URL, "valueCodeableConcept": {"text": "The station is closed"}}
    answer = await put(theirs, extension=[*kept, closed])
    assert answer.status_code == 200, answer.text
    assert reason(answer.json())["text"] == "The station is closed"
    assert "owes" not in await moves_of(case.sender, case, "ServiceRequest")
    await check_path(service, case.request["id"])


async def test_a_lapsed_referral_is_replaced_by_a_new_one(service: RunningService):
    case = await offered(service)
    await lapse(service, case.request["id"])
    named = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    other = await created(case.sender, patient())
    wrong = await case.sender.post("ServiceRequest", json=request(other["id"], replaces=named))
    refused(wrong, 422, "business-rule", "ServiceRequest.replaces[0]")
    stranger = await service.system(KIEN_AN)
    own = await created(stranger, patient())
    theirs = await stranger.post("ServiceRequest", json=request(own["id"], VIET_TIEP, replaces=named))
    refused(theirs, 422, "business-rule", "ServiceRequest.replaces[0]")
    before = await moves_of(case.sender, case, "ServiceRequest")
    assert {"replace", "dismiss"} <= before.keys()
    assert before["owes"] == "sender"
    await created(case.sender, request(case.patient["id"], KIEN_AN, replaces=named))
    assert "owes" not in await moves_of(case.sender, case, "ServiceRequest")
    assert (await case.referral())["status"] == "revoked"
    await check_path(service, case.request["id"])


async def test_a_referral_is_replaced_once(service: RunningService):
    case = await offered(service)
    await lapse(service, case.request["id"])
    named = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    new = request(case.patient["id"], KIEN_AN, replaces=named)
    numbered = {"system": f"{B}/sid/referral-number", "value": number_of(case.request)}
    by_number = new | {"replaces": [{"type": "ServiceRequest", "identifier": numbered}]}
    asked = (case.sender.post("ServiceRequest", json=one) for one in (by_number, new, by_number))
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    refused(await case.sender.post("ServiceRequest", json=new), 409, "conflict")
    moves = await moves_of(case.sender, case, "ServiceRequest")
    assert not {"replace", "dismiss", "claim", "owes"} & moves.keys()
    went = {"url": REASON_URL, "valueCodeableConcept": {"text": "Went elsewhere"}}
    kept = [one for one in (await case.referral())["extension"] if one["url"] != REASON_URL]
    refused(await put(case, extension=[*kept, went]), 409, "conflict")
    refused(await claim(case.receiver, case), 409, "conflict")
    assert (await case.referral())["status"] == "revoked"
    await check_path(service, case.request["id"])


async def test_what_still_counts_is_cancelled_before_it_is_replaced(service: RunningService):
    case = await offered(service)
    named = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    new = request(case.patient["id"], KIEN_AN, replaces=named)
    problem = refused(
        await case.sender.post("ServiceRequest", json=new), 409, "conflict", "ServiceRequest.replaces[0]"
    )
    assert "cancel it first" in problem["diagnostics"]
    gone = {"url": REASON_URL, "valueCodeableConcept": {"text": "Another specialty is meant"}}
    before = await case.referral()
    entries = [
        {"resource": new, "request": {"method": "POST", "url": "ServiceRequest"}},
        {
            "resource": before | {"status": "revoked", "extension": [*before["extension"], gone]},
            "request": {
                "method": "PUT",
                "url": f"ServiceRequest/{before['id']}",
                "ifMatch": f'W/"{before["meta"]["versionId"]}"',
            },
        },
    ]
    both = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await case.sender.post("", json=both)
    assert answer.status_code == 200, answer.text
    assert ((await case.referral())["status"], (await case.task())["status"]) == ("revoked", "cancelled")
    # The old letter does not bring the old one back beside the new.
    refused(await claim(case.receiver, case), 409, "conflict")
    refused(await case.sender.post("ServiceRequest", json=new), 409, "conflict")
    await check_path(service, case.request["id"])


async def test_who_is_in_care_is_not_replaced_and_what_is_unknown_is_told(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "in-progress")
    named = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    new = request(case.patient["id"], KIEN_AN, replaces=named)
    refused(await case.sender.post("ServiceRequest", json=new), 409, "conflict", "ServiceRequest.replaces[0]")
    unknown = new | {"replaces": [{"reference": "ServiceRequest/none"}]}
    answer = await case.sender.post(
        "ServiceRequest", json=unknown, headers={"Prefer": "return=OperationOutcome"}
    )
    assert answer.status_code == 201
    assert any("replaces[0]" in issue["diagnostics"] for issue in answer.json()["issue"])


async def test_a_patient_whose_slip_has_lapsed_is_taken_in_all_the_same(service: RunningService):
    case = await offered(service)
    await lapse(service, case.request["id"])
    answer = await claim(case.receiver, case)
    assert (answer.status_code, business(answer.json())) == (200, "arrived")
    assert (await case.referral())["status"] == "active"
    await check_path(service, case.request["id"])


async def test_a_visit_after_the_slip_is_told(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    task = await case.task(case.receiver)
    place = [{"type": {"coding": [{"code": "place"}]}, "valueString": "Clinic 2"}]
    now = datetime.now(UTC).replace(microsecond=0)
    for days, beyond in ((2, False), (800, True)):
        start = (now + timedelta(days=days)).isoformat()
        headers = {
            "If-Match": f'W/"{task["meta"]["versionId"]}"',
            "Prefer": "return=OperationOutcome",
        }
        visit = {"status": "accepted", "businessStatus": {"coding": [{"code": "visit-scheduled"}]}}
        changed = task | visit | {"executionPeriod": {"start": start}, "output": place}
        answer = await case.receiver.put(f"Task/{case.offer_id}", json=changed, headers=headers)
        told = [issue for issue in answer.json()["issue"] if "slip" in issue["diagnostics"]]
        assert (answer.status_code, bool(told)) == (200, beyond)
        assert all(issue["severity"] == "information" for issue in told)
        task = await case.task(case.receiver)
