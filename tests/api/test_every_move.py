"""The moves between acceptance and the end of care, each as an update of the Task, and what `$moves` says.

https://hl7.org/fhir/R4/task.html#statemachine
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.legal_path import check_path
from tests.api.refusals import refused
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    B,
    Case,
    Resource,
    arrived,
    business,
    completed,
    completion,
    created,
    observation,
    offered,
    output,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

WHY = {"text": "As we said on the telephone"}
AT_EIGHT = {"start": "2099-01-04T08:00:00+07:00", "end": "2099-01-04T09:00:00+07:00"}


def word(code: str) -> Resource:
    return {"businessStatus": {"coding": [{"code": code}]}}


def input_of(code: str, **value: Any) -> Resource:
    return {"type": {"coding": [{"code": code}]}, **value}


async def moves_of(client: httpx.AsyncClient, case: Case, kind: str = "Task") -> dict[str, Any]:
    """What `$moves` lists, by the word of the move, with who owes under `owes`."""
    named = case.offer_id if kind == "Task" else case.request["id"]
    answer = await client.get(f"{kind}/{named}/$moves")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {}
    for one in answer.json().get("parameter", []):
        if one["name"] == "move":
            several = ("needs", "reason")
            parts = {part["name"]: part["valueCode"] for part in one["part"] if part["name"] not in several}
            parts["needs"] = [part["valueCode"] for part in one["part"] if part["name"] == "needs"]
            parts["reasons"] = [part["valueCoding"] for part in one["part"] if part["name"] == "reason"]
            found[parts["code"]] = parts
        elif one["name"] == "owes":
            found["owes"] = one["valueCode"]
    return found


async def test_a_visit_is_named_moved_and_seen_by_both(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    bare = await case.move(case.receiver, "accepted", **word("visit-scheduled"))
    refused(bare, 422, "required", "Task.output")
    half = await case.move(case.receiver, "accepted", **word("visit-scheduled"), executionPeriod=AT_EIGHT)
    refused(half, 422, "required", "Task.output")
    place = [output("place", valueString="Clinic 2, ground floor")]
    task = await case.moved(
        case.receiver, "accepted", **word("visit-scheduled"), executionPeriod=AT_EIGHT, output=place
    )
    assert (business(task), task["executionPeriod"]) == ("visit-scheduled", AT_EIGHT)
    # What was said on the telephone may be written down late, what is long over was no visit.
    now = datetime.now(UTC).replace(microsecond=0)
    for hours, status in ((3, 200), (25, 422)):
        start = {"executionPeriod": {"start": (now - timedelta(hours=hours)).isoformat()}}
        late = await case.move(case.receiver, "accepted", **start)
        assert late.status_code == status, late.text
    refused(late, 422, "business-rule", "Task.executionPeriod")
    # Another time at the same place; then an appointment, which the sender reads.
    later = AT_EIGHT | {"start": "2099-01-05T08:00:00+07:00", "end": "2099-01-05T09:00:00+07:00"}
    again = await case.moved(case.receiver, "accepted", executionPeriod=later)
    assert again["executionPeriod"] == later
    meeting: Resource = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2099-01-06T08:00:00+07:00",
        "end": "2099-01-06T08:30:00+07:00",
        "participant": [
            {"actor": {"reference": f"Patient/{case.patient['id']}"}, "status": "accepted"},
            {"actor": {"display": "Dr. Phạm"}, "status": "accepted"},
        ],
    }
    booked = await created(case.receiver, meeting)
    assert (await case.sender.get(f"Appointment/{booked['id']}")).status_code == 404
    named = [
        *again["output"],
        output("appointment", valueReference={"reference": f"Appointment/{booked['id']}"}),
    ]
    await case.moved(case.receiver, "accepted", output=named)
    assert (await case.sender.get(f"Appointment/{booked['id']}")).status_code == 200
    await check_path(service, case.request["id"])


async def test_a_visit_is_an_appointment_that_somebody_keeps(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    about = {"actor": {"reference": f"Patient/{case.patient['id']}"}, "status": "accepted"}
    meeting: Resource = {"resourceType": "Appointment", "status": "booked", "participant": [about]}
    times = {"start": "2099-01-06T08:00:00+07:00", "end": "2099-01-06T08:30:00+07:00"}
    long_ago = {"start": "2019-01-06T08:00:00+07:00", "end": "2019-01-06T08:30:00+07:00"}

    def visit(name: str) -> list[Resource]:
        return [output("appointment", valueReference={"reference": f"Appointment/{name}"})]

    for more, code in (
        ({"status": "cancelled", **times}, "business-rule"),
        ({"status": "noshow", **times}, "business-rule"),
        ({"status": "fulfilled", **times}, "business-rule"),
        ({"status": "entered-in-error", **times}, "business-rule"),
        (long_ago, "business-rule"),
        ({"status": "proposed"}, "required"),
    ):
        made = await created(case.receiver, meeting | more)
        answer = await case.move(
            case.receiver, "accepted", **word("visit-scheduled"), output=visit(made["id"])
        )
        refused(answer, 422, code, "Task.output")
    # Without a start of its own it is by the time that the Task says.
    await case.moved(
        case.receiver,
        "accepted",
        **word("visit-scheduled"),
        output=visit(made["id"]),
        executionPeriod=AT_EIGHT,
    )
    kept = await created(case.receiver, meeting | times)
    await case.moved(case.receiver, "accepted", **word("visit-scheduled"), output=visit(kept["id"]))
    # Called off later, the offer still stands for it: who does that is told.
    told = {"Prefer": "return=OperationOutcome"}
    for one, still in ((made, False), (kept, True)):
        off = one | {"status": "cancelled"}
        answer = await case.receiver.put(f"Appointment/{one['id']}", json=off, headers=told)
        assert answer.status_code == 200, answer.text
        assert (f"Task/{case.offer_id} still says visit-scheduled" in answer.text) is still
    assert (await case.task())["businessStatus"]["coding"][0]["code"] == "visit-scheduled"


async def test_an_appointment_is_one_of_this_patient(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    other = await created(case.receiver, patient())
    seen = await created(case.receiver, observation(case.patient["id"]))
    meeting: Resource = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2099-01-06T08:00:00+07:00",
        "end": "2099-01-06T08:30:00+07:00",
        "participant": [{"actor": {"reference": f"Patient/{other['id']}"}, "status": "accepted"}],
    }
    booked = await created(case.receiver, meeting)
    known = (f"Appointment/{booked['id']}", f"Observation/{seen['id']}")
    unknown = ("Appointment/none", "Slot/none", "http://else.example/Slot/9")
    named: list[Resource] = [{"reference": target} for target in (*known, *unknown)]
    for reference in (*named, {"display": "tomorrow"}):
        visit = [output("appointment", valueReference=reference)]
        answer = await case.move(case.receiver, "accepted", **word("visit-scheduled"), output=visit)
        refused(answer, 422, "business-rule", "Task.output[0].valueReference")
    # What the sender cannot look up is said besides.
    said = [output("appointment", valueReference={"display": "Dr. Phạm"}), output("place", valueString="2")]
    await case.moved(
        case.receiver, "accepted", **word("visit-scheduled"), executionPeriod=AT_EIGHT, output=said
    )
    report = [*said, output("preliminary", valueString="All is well")]
    answer = await case.move(case.receiver, "in-progress")
    assert answer.status_code == 200, answer.text
    answer = await case.move(case.receiver, "in-progress", output=report)
    refused(answer, 422, "business-rule", "Task.output[2].valueReference")


async def test_the_patient_leaves_is_missed_comes_another_day(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    means = [
        input_of("means", valueString="Ambulance"),
        input_of("escort", valueString="Nurse"),
        input_of("eta", valueDateTime="2099-01-04T09:00:00+07:00"),
    ]
    left = await case.moved(case.sender, "accepted", **word("in-transit"), input=means)
    assert business(left) == "in-transit"
    assert all("system" in part["type"]["coding"][0] for part in left["input"])
    wrong = {"coding": [{"code": "no-capacity"}], "text": "No bed"}
    answer = await case.move(case.receiver, "accepted", **word("no-show"), statusReason=wrong)
    refused(answer, 400, "code-invalid", "Task.statusReason.coding")
    back = {"coding": [{"code": "turned-back"}], "text": "The road was flooded"}
    missed = await case.moved(case.receiver, "accepted", **word("no-show"), statusReason=back)
    assert missed["statusReason"]["coding"][0]["system"].endswith("/CodeSystem/miss-reason")
    assert (await moves_of(case.sender, case))["owes"] == "sender"
    place = [output("place", valueString="Ward 3")]
    visit = await case.moved(
        case.receiver, "accepted", **word("visit-scheduled"), executionPeriod=AT_EIGHT, output=place
    )
    assert "statusReason" not in visit
    await case.moved(case.receiver, "in-progress")
    await check_path(service, case.request["id"])


async def test_a_patient_may_leave_before_anybody_has_answered(service: RunningService):
    case = await offered(service)
    task = await case.moved(case.sender, "requested", **word("in-transit"))
    assert (task["status"], business(task)) == ("requested", "requested")
    eta = [input_of("eta", valueDateTime="2099-01-04T09:00:00+07:00")]
    await case.moved(case.receiver, "received")
    await case.moved(case.sender, "received", input=eta)
    await case.moved(case.receiver, "in-progress")
    await check_path(service, case.request["id"])


async def test_who_is_on_the_way_is_diverted(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    means = [input_of("means", valueString="Ambulance"), input_of("eta", valueDateTime="2099-01-04")]
    await case.moved(case.sender, "accepted", **word("in-transit"), input=means)
    target = [output("target", valueReference={"reference": f"Organization/{VIET_TIEP}"})]
    await case.moved(case.receiver, "rejected", **word("referred-onward"), statusReason=WHY, output=target)
    third = await service.system(VIET_TIEP)
    found = await third.get("Task", params={"focus": f"ServiceRequest/{case.request['id']}"})
    (entry,) = found.json()["entry"]
    assert [part["valueString"] for part in entry["resource"]["input"]] == ["Ambulance"]
    await check_path(service, case.request["id"])


async def test_nobody_is_sent_in_a_circle(service: RunningService):
    case = await offered(service)

    async def pass_on(by: httpx.AsyncClient, offer_id: str, target: str) -> httpx.Response:
        onward = Case(case.sender, by, "", case.patient, case.request, offer_id)
        named = [output("target", valueReference={"reference": f"Organization/{target}"})]
        return await onward.move(by, "rejected", **word("referred-onward"), statusReason=WHY, output=named)

    async def open_offer(by: httpx.AsyncClient) -> str:
        found = await by.get(
            "Task", params={"focus": f"ServiceRequest/{case.request['id']}", "status": "requested"}
        )
        return str(found.json()["entry"][0]["resource"]["id"])

    for target in (KIEN_AN, LE_CHAN, "no-such-hospital"):
        answer = await pass_on(case.receiver, case.offer_id, target)
        refused(answer, 422, "business-rule", "Task.output")
    second, third = await service.system(VIET_TIEP), await service.system(AN_LAO)
    assert (await pass_on(case.receiver, case.offer_id, VIET_TIEP)).status_code == 200
    assert (await pass_on(second, await open_offer(second), AN_LAO)).status_code == 200
    for target in (KIEN_AN, VIET_TIEP):
        refused(await pass_on(third, await open_offer(third), target), 422, "business-rule", "Task.output")
    await check_path(service, case.request["id"])


async def test_a_preliminary_report_is_read_by_the_sender(service: RunningService):
    case = await arrived(service)
    found = await created(case.receiver, observation(case.patient["id"]))
    assert (await case.sender.get(f"Observation/{found['id']}")).status_code == 404
    report = [output("preliminary", valueReference={"reference": f"Observation/{found['id']}"})]
    task = await case.moved(case.receiver, "in-progress", output=report)
    assert business(task) == "arrived"
    assert (await case.sender.get(f"Observation/{found['id']}")).status_code == 200
    other = await created(case.receiver, observation((await created(case.receiver, patient()))["id"]))
    more = [*report, output("preliminary", valueReference={"reference": f"Observation/{other['id']}"})]
    answer = await case.move(case.receiver, "in-progress", output=more)
    refused(answer, 422, "business-rule", "Task.output[1].valueReference")


async def test_what_is_given_back_is_taken_or_refused(service: RunningService):
    case = await offered(service)
    found = await created(case.receiver, observation(case.patient["id"]))
    report = [output("preliminary", valueReference={"reference": f"Observation/{found['id']}"})]
    early = await case.move(case.receiver, "accepted", output=report)
    refused(early, 409, "conflict", "Task.output")
    # Who comes with a first result has arrived.
    task = await case.moved(case.receiver, "in-progress", output=report)
    assert (business(task), len(task["output"])) == ("arrived", 1)
    assert (await case.sender.get(f"Observation/{found['id']}")).status_code == 200
    told = await case.sender.get(
        "Provenance", params={"target": f"Task/{case.offer_id}", "_sort": "recorded"}
    )
    moves = [entry["resource"]["activity"]["coding"][0]["code"] for entry in told.json()["entry"]]
    assert moves == ["offer", "arrive", "report"]
    letters = [await created(case.receiver, summary(case.patient["id"])) for _ in range(2)]
    first, second = (completion(letter["id"]) for letter in letters)
    refused(await case.move(case.receiver, "in-progress", output=first), 409, "conflict", "Task.output")
    done = await case.moved(case.receiver, "completed", output=first)
    assert len(done["output"]) == 4
    other_outcome = [*completion(letters[0]["id"], outcome="worse"), report[0]]
    for corrected in (second, other_outcome):
        again = await case.move(case.receiver, "completed", output=corrected)
        assert "in the document" in refused(again, 409, "conflict", "Task.output")["diagnostics"]
    # The same without our systems, or in part, is no other.
    assert (await case.moved(case.receiver, "completed", output=first))["output"] == done["output"]
    await check_path(service, case.request["id"])


def abort(case: Case, **more: Any) -> Resource:
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "abort"}]},
        "focus": {"reference": f"Task/{case.offer_id}"},
        "reasonCode": {"text": "The family takes her home"},
    } | more


async def change(client: httpx.AsyncClient, task: Resource, **more: Any) -> httpx.Response:
    newest = (await client.get(f"Task/{task['id']}")).json()
    return await client.put(
        f"Task/{task['id']}",
        json=newest | more,
        headers={"If-Match": f'W/"{newest["meta"]["versionId"]}"'},
    )


async def test_care_is_stopped_where_the_sender_wishes_and_the_receiver_agrees(service: RunningService):
    case = await arrived(service)
    early = await case.move(case.receiver, "failed", statusReason=WHY)
    refused(early, 409, "conflict")
    bare = await case.sender.post("Task", json=abort(case, reasonCode={"coding": [{"code": "x"}]}))
    refused(bare, 422, "required", "Task.reasonCode")
    wish = await created(case.sender, abort(case))
    assert wish["owner"]["reference"] == f"Organization/{KIEN_AN}"
    assert "stop" in await moves_of(case.receiver, case)
    # Sent once more, it is the one that stands.
    twin = await case.sender.post("Task", json=abort(case))
    assert (twin.status_code, twin.json()["id"]) == (200, wish["id"])
    refused(await change(case.sender, wish, status="accepted"), 403, "forbidden")
    refused(await change(case.receiver, wish, status="rejected"), 422, "required", "Task.statusReason.text")
    answer = await change(case.receiver, wish, status="accepted")
    assert answer.status_code == 200, answer.text
    task = await case.task()
    assert (task["status"], business(task)) == ("failed", "stopped")
    assert task["statusReason"]["text"] == "The family takes her home"
    request = await case.referral()
    assert request["status"] == "revoked"
    assert any(one["url"].endswith("/request-statusReason") for one in request["extension"])
    assert (await case.sender.get(f"Task/{wish['id']}")).json()["status"] == "completed"
    refused(await change(case.receiver, wish, status="rejected", statusReason=WHY), 409, "conflict")
    await check_path(service, case.request["id"])


async def test_a_wish_to_stop_is_refused_taken_back_or_too_late(service: RunningService):
    case = await offered(service)
    refused(await case.sender.post("Task", json=abort(case)), 409, "conflict")
    await case.moved(case.receiver, "in-progress")
    refused(await case.receiver.post("Task", json=abort(case)), 403, "forbidden")
    mine = await created(case.sender, {"resourceType": "Task", "status": "draft", "intent": "plan"})
    for focus in ("Task/nope", f"Task/{mine['id']}", f"ServiceRequest/{case.request['id']}"):
        elsewhere = abort(case, focus={"reference": focus})
        refused(await case.sender.post("Task", json=elsewhere), 422, "business-rule", "Task.focus")
    stranger = await service.system(AN_LAO)
    refused(await stranger.post("Task", json=abort(case)), 422, "business-rule", "Task.focus")
    # The order of a laboratory is none of the hub's.
    plain = {"status": "active", "intent": "order", "subject": {"reference": f"Patient/{case.patient['id']}"}}
    order = await created(case.sender, {"resourceType": "ServiceRequest", **plain})
    await created(case.sender, abort(case, focus={"reference": f"ServiceRequest/{order['id']}"}))
    refusal = await created(case.sender, abort(case))
    answer = await change(case.receiver, refusal, status="rejected", statusReason={"text": "Under operation"})
    assert answer.status_code == 200, answer.text
    taken_back = await created(case.sender, abort(case))
    assert (await change(case.sender, taken_back, status="cancelled")).status_code == 200
    assert "stop" not in await moves_of(case.receiver, case)
    last = await created(case.sender, abort(case))
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"]))
    assert (await case.sender.get(f"Task/{last['id']}")).json()["status"] == "failed"
    refused(await change(case.receiver, last, status="accepted"), 409, "conflict")
    refused(await case.sender.post("Task", json=abort(case)), 409, "conflict")
    await check_path(service, case.request["id"])


async def test_the_receiver_may_stop_by_the_task_of_the_offer(service: RunningService):
    case = await arrived(service)
    wish = await created(case.sender, abort(case))
    task = await case.moved(case.receiver, "failed")
    assert task["statusReason"]["text"] == "The family takes her home"
    assert (await case.receiver.get(f"Task/{wish['id']}")).json()["status"] == "completed"


async def test_a_death_is_told_with_its_day(service: RunningService):
    case = await offered(service)
    died: Resource = {"coding": [{"code": "patient-died"}], "text": "At home"}
    refused(
        await case.move(case.sender, "cancelled", statusReason=died), 422, "required", "Task.statusReason"
    )
    died["extension"] = [
        {"url": "http://referral.example/fhir/StructureDefinition/died-at", "valueDateTime": "2026-11"}
    ]
    task = await case.moved(case.sender, "cancelled", statusReason=died)
    assert task["statusReason"]["coding"][0]["system"].endswith("/CodeSystem/withdraw-reason")
    assert task["statusReason"]["extension"] == died["extension"]


@pytest.mark.parametrize("kind", ["ServiceRequest", "Task"])
async def test_what_is_neither_has_no_moves(service: RunningService, kind: str):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    plain: Resource = {"resourceType": kind, "status": "active", "intent": "plan"}
    plain |= {"subject": {"reference": f"Patient/{who['id']}"}} if kind == "ServiceRequest" else {}
    stored = await created(station, plain | ({"status": "draft"} if kind == "Task" else {}))
    wrong = await station.get(f"{kind}/{stored['id']}/$moves?x=1")
    refused(wrong, 400, "invalid")
    answer = await station.get(f"{kind}/{stored['id']}/$moves?_pretty=false")
    assert (answer.status_code, answer.json()) == (200, {"resourceType": "Parameters"})


async def test_the_reasons_of_a_move_are_listed_and_taken(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    listed = {
        name: (client, move["reasons"])
        for client, kind in ((case.receiver, "Task"), (case.sender, "Task"), (case.sender, "ServiceRequest"))
        for name, move in (await moves_of(client, case, kind)).items()
        if name != "owes" and move["reasons"]
    }
    assert listed.keys() == {"reject", "refer-onward", "miss", "withdraw", "cancel"}
    for name, (_, reasons) in listed.items():
        value_set = {"reject": "reject-reason", "refer-onward": "reject-reason", "miss": "miss-reason"}
        (system,) = {one["system"] for one in reasons}
        assert system == f"{B}/CodeSystem/{value_set.get(name, 'withdraw-reason')}"
        defined = await case.sender.get("CodeSystem", params={"url": system})
        concepts = defined.json()["entry"][0]["resource"]["concept"]
        assert {one["code"] for one in reasons} <= {one["code"] for one in concepts}
    for code in (one["code"] for one in listed["miss"][1]):
        await case.moved(
            case.receiver, "accepted", **word("no-show"), statusReason=WHY | {"coding": [{"code": code}]}
        )
        place = [output("place", valueString="Ward 3")]
        await case.moved(
            case.receiver, "accepted", **word("visit-scheduled"), executionPeriod=AT_EIGHT, output=place
        )


async def test_who_owes_the_next_step_is_told_to_all_who_see_it(service: RunningService):
    case = await offered(service)
    office = await service.system(OFFICE)
    for client in (case.sender, case.receiver, office):
        assert (await moves_of(client, case))["owes"] == "receiver"
        assert (await moves_of(client, case, "ServiceRequest"))["owes"] == "receiver"
    listed = await moves_of(case.receiver, case)
    del listed["reject"]["reasons"]
    assert listed["reject"] == {"code": "reject", "party": "receiver", "to": "rejected", "needs": ["reason"]}
    assert (await moves_of(office, case))["withdraw"]["party"] == "office"
    await case.moved(case.receiver, "rejected", statusReason=WHY)
    assert "owes" not in await moves_of(case.receiver, case)
    assert (await moves_of(case.sender, case, "ServiceRequest"))["owes"] == "sender"
    done = await completed(service)
    assert (await moves_of(done.receiver, done))["owes"] == "sender"
    await done.moved(done.sender, "completed", **word("closed"))
    assert await moves_of(done.sender, done) == {}
    draft = await service.system(CAT_HAI)
    who = await created(draft, patient())
    asked = await offered_as_draft(draft, who["id"])
    told = await draft.post(f"ServiceRequest/{asked}/$moves")
    moves = {
        one["part"][0]["valueCode"]: one["part"][2]["valueCode"] for one in told.json()["parameter"][:-1]
    }
    assert moves == {"submit": "offered", "discard": "entered-in-error", "mark-error": "entered-in-error"}


async def offered_as_draft(client: httpx.AsyncClient, who: str) -> str:
    """A draft to one facility."""
    return str((await created(client, request(who, KIEN_AN, status="draft")))["id"])
