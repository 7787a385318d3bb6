"""Sender and receiver move an offer. https://hl7.org/fhir/R4/task.html#statemachine"""

from dataclasses import replace

import pytest

from tests.api.legal_path import check_path
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    B,
    arrived,
    business,
    completed,
    completion,
    created,
    extension,
    offer,
    offered,
    output,
    patient,
    summary,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService

NO_BED = {"coding": [{"code": "no-capacity"}], "text": "No surgical bed until tomorrow"}


async def test_the_receiver_acknowledges_accepts_and_marks_arrival(service: RunningService):
    case = await offered(service)
    for status, word in (("received", "received"), ("accepted", "accepted"), ("in-progress", "arrived")):
        task = await case.moved(case.receiver, status)
        assert (task["status"], business(task)) == (status, word)
    assert (await case.referral())["status"] == "active"


async def test_accepting_at_once_leaves_an_event_for_each_move(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    async with behind_the_wall(service.store) as connection:
        moves = await connection.fetch("SELECT move FROM event WHERE id = $1 ORDER BY seq", case.offer_id)
    assert [row["move"] for row in moves] == ["offer", "acknowledge", "accept"]


async def test_completing_needs_outcome_disposition_and_summary(service: RunningService):
    case = await arrived(service)
    bare = await case.move(case.receiver, "completed")
    assert (bare.status_code, bare.json()["issue"][0]["code"]) == (422, "required")
    assert all(word in bare.text for word in ("outcome", "disposition", "summary"))
    wrong = await case.move(case.receiver, "completed", output=completion(None, "discharged", "splendid"))
    assert (wrong.status_code, wrong.json()["issue"][0]["code"]) == (400, "code-invalid")
    both = await case.move(case.receiver, "completed", output=completion(None, "discharged", "died"))
    assert (both.status_code, both.json()["issue"][0]["code"]) == (422, "business-rule")
    other = await created(case.receiver, summary((await created(case.receiver, patient()))["id"]))
    foreign = await case.move(case.receiver, "completed", output=completion(other["id"]))
    assert foreign.status_code == 422
    unknown = await case.move(case.receiver, "completed", output=completion("no-such-summary"))
    assert unknown.status_code == 422
    assert (await case.task())["status"] == "in-progress"


async def test_a_death_needs_a_note_in_place_of_the_summary(service: RunningService):
    case = await arrived(service)
    task = await case.moved(
        case.receiver, "completed", output=completion(None, "died", "died"), note=[{"text": "At 02:10"}]
    )
    assert business(task) == "completed"
    assert (await case.referral())["status"] == "completed"


async def test_the_sender_reads_the_summary_and_closes_once(service: RunningService):
    case = await completed(service)
    task = await case.task()
    link = next(o for o in task["output"] if o["type"]["coding"][0]["code"] == "summary")
    assert link["type"]["coding"][0]["system"] == f"{B}/CodeSystem/task-output"
    assert (await case.sender.get(link["valueReference"]["reference"])).status_code == 200
    closed = {"coding": [{"system": f"{B}/CodeSystem/offer-status", "code": "closed"}]}
    assert business(await case.moved(case.sender, "completed", businessStatus=closed)) == "closed"
    again = await case.move(case.sender, "completed", businessStatus=closed)
    assert again.status_code == 200
    async with behind_the_wall(service.store) as connection:
        rows = await connection.fetch(
            "SELECT type, move FROM event WHERE referral = $1 AND move = 'close'", case.request["id"]
        )
    assert sorted(row["type"] for row in rows) == ["ServiceRequest", "Task"]


async def test_returning_the_patient_opens_the_way_down(service: RunningService):
    case = await completed(service, "returned-to-referrer")
    found = await case.sender.get(
        "ServiceRequest", params={"based-on": f"ServiceRequest/{case.request['id']}"}
    )
    (entry,) = found.json()["entry"]
    down = entry["resource"]
    assert extension(down, "direction")["valueCode"] == "down"
    assert extension(down, "journey") == extension(case.request, "journey")
    assert down["requester"]["reference"] == f"Organization/{KIEN_AN}"
    waiting = await case.sender.get(
        "Task",
        params={"owner": f"Organization/{LE_CHAN}", "status": "requested", "patient": case.patient["id"]},
    )
    (entry,) = waiting.json()["entry"]
    assert entry["resource"]["focus"]["reference"] == f"ServiceRequest/{down['id']}"


@pytest.mark.parametrize("kind", ["Task", "ServiceRequest"])
@pytest.mark.parametrize("accepted", [False, True])
async def test_a_way_down_by_mistake_ends_until_it_is_accepted(
    service: RunningService, kind: str, accepted: bool
):
    case, office = await completed(service, "returned-to-referrer"), await service.system(OFFICE)
    found = await case.sender.get(
        "Task", params={"owner": f"Organization/{LE_CHAN}", "patient": case.patient["id"]}
    )
    down = replace(case, offer_id=found.json()["entry"][0]["resource"]["id"])
    if accepted:
        await down.moved(case.sender, "accepted")
    why = {"text": "Of another patient"}
    before = await (case.task if kind == "Task" else case.referral)()
    reason = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": why,
    }
    more = {"statusReason": why} if kind == "Task" else {"extension": [*before["extension"], reason]}
    ended = await office.put(
        f"{kind}/{before['id']}",
        json=before | {"status": "entered-in-error"} | more,
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"', "Prefer": "return=OperationOutcome"},
    )
    assert ended.status_code == 200, ended.text
    assert ("goes on" in ended.text) is accepted
    task = await down.task()
    sent_down = (await case.receiver.get(task["focus"]["reference"])).json()
    if accepted:
        assert (business(task), sent_down["status"]) == ("accepted", "active")
    else:
        assert (business(task), sent_down["status"]) == ("withdrawn", "revoked")
        assert task["statusReason"]["coding"][0]["code"] == "entered-by-mistake"
    await check_path(service, sent_down["id"])


async def test_the_way_down_ends_with_a_note_and_is_closed_by_the_hospital(service: RunningService):
    case = await completed(service, "returned-to-referrer")
    found = await case.sender.get(
        "Task", params={"owner": f"Organization/{LE_CHAN}", "patient": case.patient["id"]}
    )
    down = case
    down.offer_id = found.json()["entry"][0]["resource"]["id"]
    await down.moved(case.sender, "accepted")
    await down.moved(case.sender, "in-progress")
    bare = await down.move(case.sender, "completed")
    assert (bare.status_code, "note" in bare.text) == (422, True)
    await down.moved(case.sender, "completed", note=[{"text": "Wound dry, fever gone"}])
    closed = {"coding": [{"code": "closed"}]}
    assert (await down.move(case.sender, "completed", businessStatus=closed)).status_code == 409
    assert business(await down.moved(case.receiver, "completed", businessStatus=closed)) == "closed"


async def test_a_rejected_target_loses_the_package_but_not_the_request(service: RunningService):
    case = await offered(service)
    bare = await case.move(case.receiver, "rejected")
    assert (bare.status_code, bare.json()["issue"][0]["code"]) == (422, "required")
    unknown = await case.move(
        case.receiver, "rejected", statusReason={"coding": [{"code": "bored"}], "text": "no"}
    )
    assert (unknown.status_code, unknown.json()["issue"][0]["code"]) == (400, "code-invalid")
    task = await case.moved(case.receiver, "rejected", statusReason=NO_BED)
    assert task["statusReason"]["coding"][0]["system"] == f"{B}/CodeSystem/reject-reason"
    for address, status in (
        (f"Patient/{case.patient['id']}", 404),
        (f"ServiceRequest/{case.request['id']}", 200),
        (f"Task/{case.offer_id}", 200),
    ):
        assert (await case.receiver.get(address)).status_code == status


async def test_after_a_rejection_the_referral_goes_to_the_next_and_back_only_with_a_reason(
    service: RunningService,
):
    case = await offered(service)
    await case.moved(case.receiver, "rejected", statusReason=NO_BED)
    again = await case.sender.post("Task", json=offer(case.request["id"], KIEN_AN))
    assert (again.status_code, again.json()["issue"][0]["expression"]) == (422, ["Task.reasonCode"])
    following = await case.sender.post("Task", json=offer(case.request["id"], AN_LAO))
    assert following.status_code == 201
    first = await case.sender.get(f"Task/{case.offer_id}")
    assert first.json()["status"] == "rejected"


async def test_the_sender_withdraws_before_arrival(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    task = await case.moved(case.sender, "cancelled", statusReason={"text": "No boat tonight"})
    assert business(task) == "withdrawn"
    arrival = await case.move(case.receiver, "in-progress")
    assert arrival.status_code == 409


async def test_one_offer_ends_and_the_next_is_opened_in_one_step(service: RunningService):
    case = await offered(service)
    for ending, owner in (("cancelled", VIET_TIEP), ("cancelled", AN_LAO)):
        before = await case.task()
        entries = [
            {
                "fullUrl": "urn:uuid:0b3cf3b2-5d7a-4f2c-9d0e-6a1f1f1f1f1f",
                "resource": offer(case.request["id"], owner),
                "request": {"method": "POST", "url": "Task"},
            },
            {
                "resource": {
                    "resourceType": "Communication",
                    "status": "completed",
                    "partOf": [{"reference": "urn:uuid:0b3cf3b2-5d7a-4f2c-9d0e-6a1f1f1f1f1f"}],
                    "payload": [{"contentString": "He is on insulin"}],
                },
                "request": {"method": "POST", "url": "Communication"},
            },
            {
                "resource": before | {"status": ending, "statusReason": {"text": "Full tonight"}},
                "request": {
                    "method": "PUT",
                    "url": f"Task/{case.offer_id}",
                    "ifMatch": f'W/"{before["meta"]["versionId"]}"',
                },
            },
        ]
        answer = await case.sender.post(
            "", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
        )
        assert answer.status_code == 200, answer.text
        opened, said, ended = (entry["resource"] for entry in answer.json()["entry"])
        assert (opened["status"], ended["status"]) == ("requested", ending)
        case.offer_id = opened["id"]
        after = await service.system(owner)
        assert (await after.get(f"Communication/{said['id']}")).status_code == 200
    await check_path(service, case.request["id"])


async def test_what_is_said_twice_is_said(service: RunningService):
    gone = {"statusReason": {"text": "Patient did not come"}}
    missed = {"businessStatus": {"coding": [{"code": "no-show"}]}}
    target = [output("target", valueReference={"reference": f"Organization/{AN_LAO}"})]
    onward = {"businessStatus": {"coding": [{"code": "referred-onward"}]}, "output": target}
    visit = {
        "businessStatus": {"coding": [{"code": "visit-scheduled"}]},
        "executionPeriod": {"start": "2099-01-04T08:00:00+07:00"},
        "output": [output("place", valueString="Clinic 2")],
    }
    office = await service.system(OFFICE)
    for party, status, more, word in (
        ("sender", "cancelled", {}, "withdrawn"),
        ("receiver", "rejected", onward, "referred-onward"),
        ("receiver", "accepted", visit, "visit-scheduled"),
    ):
        case = await offered(service)
        await case.moved(case.receiver, "accepted")
        await case.moved(case.receiver, "accepted", **visit)
        await case.moved(case.receiver, "accepted", **missed, **gone)
        assert business(await case.moved(getattr(case, party), status, **more | gone)) == word
        if word == "withdrawn":
            ended = await case.moved(office, "entered-in-error", **gone)
            assert ended["statusReason"]["text"] == "Patient did not come"


async def test_the_office_may_withdraw_and_offer_elsewhere(service: RunningService):
    case = await offered(service)
    office = await service.system(OFFICE)
    await case.moved(office, "cancelled", statusReason={"text": "Ward closed"})
    following = await office.post("Task", json=offer(case.request["id"], AN_LAO))
    assert following.status_code == 201
    assert following.json()["requester"]["reference"] == f"Organization/{LE_CHAN}"


async def test_a_receiver_passes_the_offer_onward_in_one_step(service: RunningService):
    case = await offered(service)
    onward = {
        "statusReason": {"text": "Needs a hospital with a CT"},
        "businessStatus": {"coding": [{"code": "referred-onward"}]},
    }
    bare = await case.move(case.receiver, "rejected", **onward)
    assert bare.status_code == 422
    target = [output("target", valueReference={"reference": f"Organization/{AN_LAO}"})]
    await case.moved(case.receiver, "rejected", output=target, **onward)
    third = await service.system(AN_LAO)
    found = await third.get("Task", params={"focus": f"ServiceRequest/{case.request['id']}"})
    assert [entry["resource"]["status"] for entry in found.json()["entry"]] == ["requested"]
    assert (await third.get(f"Patient/{case.patient['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("status", "party"), [("accepted", "sender"), ("completed", "receiver"), ("cancelled", "receiver")]
)
async def test_an_illegal_move_is_refused_with_the_legal_ones(service: RunningService, status, party):
    case = await offered(service)
    answer = await case.move(getattr(case, party), status, statusReason={"text": "because"})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "conflict")
    expected = "acknowledge" if party == "receiver" else "withdraw"
    assert expected in answer.json()["issue"][0]["diagnostics"]


async def test_an_update_without_or_with_an_old_version_is_refused(service: RunningService):
    case = await offered(service)
    task = await case.task(case.receiver)
    address, changed = f"Task/{case.offer_id}", task | {"status": "received"}
    assert (await case.receiver.put(address, json=changed)).status_code == 428
    assert (await case.receiver.put(address, json=changed, headers={"If-Match": 'W/"1"'})).status_code == 200
    stale = await case.receiver.put(address, json=changed, headers={"If-Match": 'W/"1"'})
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (412, "conflict")


async def test_an_update_that_changes_nothing_writes_nothing(service: RunningService):
    case = await offered(service)
    task = await case.moved(case.receiver, "requested")
    assert task["meta"]["versionId"] == "1"


async def test_hub_owned_parts_of_an_offer_stay_as_they_are(service: RunningService):
    case = await offered(service)
    task = await case.moved(
        case.receiver,
        "received",
        owner={"reference": f"Organization/{AN_LAO}"},
        focus={"reference": "ServiceRequest/other"},
        note=[{"text": "We look at it"}],
    )
    assert task["owner"]["reference"] == f"Organization/{KIEN_AN}"
    assert task["focus"]["reference"] == f"ServiceRequest/{case.request['id']}"
    assert task["note"] == [{"text": "We look at it"}]


async def test_a_stranger_neither_sees_nor_moves_an_offer(service: RunningService):
    case = await offered(service)
    stranger = await service.system(AN_LAO)
    assert (await stranger.get(f"Task/{case.offer_id}")).status_code == 404
    task = await case.task()
    answer = await stranger.put(
        f"Task/{case.offer_id}", json=task | {"status": "accepted"}, headers={"If-Match": 'W/"1"'}
    )
    assert answer.status_code == 404
