"""What an update of an offer or a referral leaves as it is, whoever sends it."""

import uuid

import httpx
import pytest

from tests.api.refusals import refused
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    Case,
    Resource,
    arrived,
    completed,
    completion,
    created,
    extension,
    observation,
    offer,
    offered,
    output,
    patient,
    request,
    summary,
    summary_in_parts,
)
from tests.running_service import RunningService

ELEMENTS = {
    "output": completion(None, "died", "died"),
    "statusReason": {"text": "another reason"},
    "executionPeriod": {"start": "2027-01-01"},
    "input": [{"type": {"coding": [{"code": "escort"}]}, "valueString": "a nurse"}],
    "description": "Please, soon",
    "priority": "routine",
    "owner": {"reference": f"Organization/{AN_LAO}"},
    "for": {"reference": "Patient/other"},
    "note": [{"text": "one more thing"}],
}
SENDERS = {"input", "description", "note"}
OTHERS = {"note"}


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(
    ("state", "party", "taken"),
    [
        ("offered", "sender", SENDERS),
        ("offered", "receiver", OTHERS),
        ("offered", "office", OTHERS),
        ("completed", "sender", set()),
        ("completed", "receiver", set()),
        ("completed", "office", set()),
    ],
)
async def test_an_update_without_a_move(service: RunningService, element, state, party, taken):
    case = await (offered(service, priority="stat") if state == "offered" else completed(service))
    client = await service.system(OFFICE) if party == "office" else getattr(case, party)
    before = await case.task(client)
    if element == "output" and party == "receiver":
        # What it tells of the patient is not dropped without a word.
        answer = await case.move(client, before["status"], **{element: ELEMENTS[element]})
        refused(answer, 409, "conflict", "Task.output")
        return
    after = await case.moved(client, before["status"], **{element: ELEMENTS[element]})
    expected = ELEMENTS[element] if element in taken else before.get(element)
    if element == "input" and element in taken:
        assert after["input"][0]["valueString"] == "a nurse"
    else:
        assert after.get(element) == expected


async def test_closing_keeps_the_outcome_though_the_sender_leaves_it_out(service: RunningService):
    case = await completed(service)
    before = await case.task()
    closed = {"coding": [{"code": "closed"}]}
    await case.moved(
        case.sender, "completed", businessStatus=closed, output=[output("place", valueString="x")]
    )
    assert (await case.task())["output"] == before["output"]


async def test_a_preliminary_report_is_added_while_the_patient_is_there(service: RunningService):
    case = await arrived(service)
    written = await created(case.receiver, summary(case.patient["id"]))
    report = [output("preliminary", valueReference={"reference": f"DocumentReference/{written['id']}"})]
    await case.moved(case.receiver, "in-progress", output=report)
    final = await created(case.receiver, summary(case.patient["id"]))
    task = await case.moved(case.receiver, "completed", output=completion(final["id"]))
    codes = [part["type"]["coding"][0]["code"] for part in task["output"]]
    assert codes == ["preliminary", "outcome", "disposition", "summary"]


def appointment(patient_id: str) -> Resource:
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2099-03-09T08:00:00+07:00",
        "end": "2099-03-09T08:30:00+07:00",
        "participant": [{"actor": {"reference": f"Patient/{patient_id}"}, "status": "accepted"}],
    }


def named_by(code: str, resource: Resource) -> list[Resource]:
    return [output(code, valueReference={"reference": f"{resource['resourceType']}/{resource['id']}"})]


async def reads(client: httpx.AsyncClient, *resources: Resource) -> list[bool]:
    answers = [await client.get(f"{one['resourceType']}/{one['id']}") for one in resources]
    return [answer.status_code == 200 for answer in answers]


async def test_the_sender_reads_what_an_output_names_and_what_that_is_made_of(service: RunningService):
    case = await offered(service)
    hospital, who = case.receiver, case.patient["id"]
    visit, value, other = [
        await created(hospital, one) for one in (appointment(who), observation(who), observation(who))
    ]
    scheduled = {"coding": [{"code": "visit-scheduled"}]}
    await case.moved(hospital, "accepted")
    await case.moved(hospital, "accepted", businessStatus=scheduled, output=named_by("appointment", visit))
    await case.moved(hospital, "in-progress")
    report = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "code": {"text": "Blood count"},
        "subject": {"reference": f"Patient/{who}"},
        "result": [{"reference": f"Observation/{value['id']}"}],
    }
    stored = await created(hospital, report)
    await case.moved(hospital, "in-progress", output=named_by("preliminary", stored))
    assert await reads(case.sender, visit, stored, value, other) == [True, True, True, False]
    assert (await hospital.delete(f"Appointment/{visit['id']}")).status_code == 409
    letter = summary_in_parts(who)
    letter["section"].append({"title": "Results", "entry": [{"reference": f"Observation/{other['id']}"}]})
    written = await created(hospital, letter)
    ended = [*completion(None), *named_by("summary", written)]
    await case.moved(hospital, "completed", output=ended)
    assert await reads(case.sender, written, other) == [True, True]


async def test_an_output_names_what_is_known_and_about_the_patient(service: RunningService):
    case = await arrived(service)
    other = await created(case.receiver, patient())
    theirs = await created(case.receiver, summary(other["id"]))
    nowhere = {"resourceType": "DocumentReference", "id": "none"}
    for one in (theirs, nowhere):
        answer = await case.move(case.receiver, "in-progress", output=named_by("preliminary", one))
        assert answer.status_code == 422
        assert answer.json()["issue"][0]["expression"] == ["Task.output[0].valueReference"]
    assert await reads(case.sender, theirs) == [False]


async def test_an_offer_is_made_without_what_comes_with_moves(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    planted = offer(
        asked["id"], KIEN_AN, output=completion(None, "died", "died"), executionPeriod={"start": "2026-03-01"}
    )
    task = await created(station, planted)
    assert not {"output", "executionPeriod"} & task.keys()
    case = Case(station, hospital, KIEN_AN, who, asked, task["id"])
    await case.moved(hospital, "in-progress")
    note = [{"text": "She died on the way to the theatre."}]
    ended = await case.moved(hospital, "completed", output=completion(None, "died", "died"), note=note)
    assert len(ended["output"]) == 2


async def test_an_old_reason_is_no_reason_for_the_next_move(service: RunningService):
    case = await offered(service)
    asked = {"coding": [{"code": "awaiting-information"}]}
    await case.moved(
        case.receiver, "received", businessStatus=asked, statusReason={"text": "Which medicine?"}
    )
    stale = await case.move(case.receiver, "rejected")
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (422, "required")
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})


async def test_the_priority_of_an_offer_is_that_of_its_referral(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"], priority="stat"))
    task = await created(station, offer(asked["id"], KIEN_AN, priority="routine"))
    assert task["priority"] == "stat"


@pytest.mark.parametrize(
    "change",
    [
        {"requester": {"reference": f"Organization/{KIEN_AN}"}},
        {"requester": {"reference": "Organization/nowhere"}},
        {"basedOn": [{"reference": "ServiceRequest/none"}]},
    ],
)
async def test_who_asks_and_what_is_continued_stay(service: RunningService, change):
    case = await offered(service)
    answer = await case.sender.put(
        f"ServiceRequest/{case.request['id']}", json=case.request | change, headers={"If-Match": 'W/"1"'}
    )
    assert answer.status_code == 200
    (name,) = change
    assert answer.json().get(name) == case.request.get(name)


def _because(text: str) -> dict:
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {"text": text},
    }


async def test_cancelling_adds_its_reason_and_nothing_else(service: RunningService):
    case = await offered(service)
    office = await service.system(OFFICE)
    seen = (await office.get(f"ServiceRequest/{case.request['id']}")).json()
    changed = seen | {
        "status": "revoked",
        "extension": [{"url": "urn:test:other", "valueString": "mine"}, _because("Doubled")],
        "note": [{"text": "the office was here"}],
    }
    answer = await office.put(f"ServiceRequest/{seen['id']}", json=changed, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["extension"] == [*seen["extension"], _because("Doubled")]
    assert "note" not in answer.json()


async def test_what_a_closed_referral_says_is_fixed(service: RunningService):
    case = await completed(service)
    await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    later = await created(case.sender, observation(case.patient["id"]))
    stands = await case.referral()
    changed = stands | {"supportingInfo": [{"reference": f"Observation/{later['id']}"}]}
    answer = await case.sender.put(
        f"ServiceRequest/{stands['id']}",
        json=changed,
        headers={"If-Match": f'W/"{stands["meta"]["versionId"]}"'},
    )
    assert answer.status_code == 409
    assert (await case.receiver.get(f"Observation/{later['id']}")).status_code == 404


async def test_who_lost_sight_of_a_patient_does_not_show_the_patient_to_others(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    based = {"basedOn": [{"reference": f"ServiceRequest/{case.request['id']}"}]}
    own = await created(case.receiver, request(case.patient["id"], **based))
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    answer = await case.receiver.post("Task", json=offer(own["id"], AN_LAO))
    assert answer.status_code == 422, answer.text
    third = await service.system(AN_LAO)
    office = await service.system(OFFICE)
    await office.post("Task", json=offer(own["id"], AN_LAO))
    assert (await third.get(f"Patient/{case.patient['id']}")).status_code == 404


async def test_an_offer_made_in_error_takes_the_request_back(service: RunningService):
    case = await offered(service)
    await case.moved(case.sender, "entered-in-error", statusReason={"text": "Wrong house"})
    for address, status in (
        (f"ServiceRequest/{case.request['id']}", 404),
        (f"Patient/{case.patient['id']}", 404),
        (f"Task/{case.offer_id}", 200),
    ):
        assert (await case.receiver.get(address)).status_code == status


async def _downs(case: Case) -> list[dict]:
    found = await case.receiver.get(
        "ServiceRequest", params={"based-on": f"ServiceRequest/{case.request['id']}"}
    )
    resources = [entry["resource"] for entry in found.json().get("entry", [])]
    return [one for one in resources if extension(one, "direction")["valueCode"] == "down"]


async def test_a_draft_of_somebody_else_does_not_stand_in_for_the_way_back(service: RunningService):
    case = await arrived(service)
    down = {"url": "http://referral.example/fhir/StructureDefinition/direction", "valueCode": "down"}
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    await created(case.sender, request(case.patient["id"], status="draft", extension=[down], basedOn=based))
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"], "returned-to-referrer"))
    assert len(await _downs(case)) == 1


async def test_a_way_back_that_the_hospital_opened_itself_is_not_doubled(service: RunningService):
    case = await arrived(service)
    down = {"url": "http://referral.example/fhir/StructureDefinition/direction", "valueCode": "down"}
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    await created(case.receiver, request(case.patient["id"], LE_CHAN, extension=[down], basedOn=based))
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"], "returned-to-referrer"))
    assert len(await _downs(case)) == 1


async def test_a_referral_is_continued_by_its_parties_only(service: RunningService):
    case = await offered(service)
    office = await service.system(OFFICE)
    assert (await office.get(f"ServiceRequest/{case.request['id']}")).status_code == 200
    stranger = await service.system(AN_LAO)
    who = await created(stranger, patient())
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    answer = await stranger.post("ServiceRequest", json=request(who["id"], basedOn=based))
    assert answer.status_code == 422
    # Who has declined it has no part in the journey any more.
    own = await created(case.receiver, patient(identifier=case.patient["identifier"]))
    onward = request(own["id"], status="draft", basedOn=based)
    await created(case.receiver, onward)
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    refused(
        await case.receiver.post("ServiceRequest", json=onward),
        422,
        "business-rule",
        "ServiceRequest.basedOn[0]",
    )


async def test_a_referral_is_continued_for_the_same_patient_only(service: RunningService):
    case = await arrived(service)
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    other = await created(case.receiver, patient())
    unnamed = await created(case.receiver, patient(identifier=[{"value": "P1"}]))
    mistaken = await created(case.sender, patient())
    for client, who in ((case.receiver, other), (case.receiver, unnamed), (case.sender, mistaken)):
        for status in ("active", "draft"):
            answer = await client.post(
                "ServiceRequest", json=request(who["id"], status=status, basedOn=based)
            )
            refused(answer, 422, "business-rule", "ServiceRequest.basedOn[0]")
    # The hospital has a record of its own of the person, by one of the numbers that the station knows.
    numbers = [{"system": "urn:test:ward", "value": case.patient["id"]}, *case.patient["identifier"]]
    own = await created(case.receiver, patient(identifier=numbers))
    onward = await created(case.receiver, request(own["id"], basedOn=based))
    assert extension(onward, "journey") == extension(await case.referral(), "journey")
    # It may come with the request, too.
    who = f"urn:uuid:{uuid.uuid4()}"
    for brought, status in ((patient(identifier=numbers), 200), (patient(), 422)):
        asked = request("", subject={"reference": who}, basedOn=based)
        entries = [
            {"fullUrl": who, "resource": brought, "request": {"method": "POST", "url": "Patient"}},
            {"resource": asked, "request": {"method": "POST", "url": "ServiceRequest"}},
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await case.receiver.post("", json=bundle)
        assert answer.status_code == status, answer.text


async def test_the_office_may_name_the_patient_of_a_request_that_it_offers(service: RunningService):
    station, office = await service.system(LE_CHAN), await service.system(OFFICE)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    named = {"for": {"reference": f"Patient/{who['id']}"}}
    answer = await office.post("Task", json=offer(asked["id"], KIEN_AN, **named))
    assert answer.status_code == 201, answer.text


async def test_what_is_said_about_a_completed_referral_reaches_the_other_side(service: RunningService):
    case = await completed(service)
    said = await created(
        case.sender,
        {
            "resourceType": "Communication",
            "status": "completed",
            "subject": {"reference": f"Patient/{case.patient['id']}"},
            "basedOn": [{"reference": f"ServiceRequest/{case.request['id']}"}],
            "payload": [{"contentString": "How long the tablets?"}],
        },
    )
    assert (await case.receiver.get(f"Communication/{said['id']}")).status_code == 200


async def test_a_draft_sent_back_unchanged_writes_nothing(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    draft = await created(station, request(who["id"], status="draft"))
    again = await station.put(f"ServiceRequest/{draft['id']}", json=draft, headers={"If-Match": 'W/"1"'})
    assert again.json()["meta"]["versionId"] == "1"


async def test_a_referral_without_target_takes_the_direction_of_its_offer(service: RunningService):
    central, hospital = await service.system("bach-mai-hospital"), await service.system(KIEN_AN)
    who = await created(central, patient())
    asked = await created(central, request(who["id"], code={"text": "Rehabilitation near home"}))
    assert extension(asked, "direction")["valueCode"] == "down"
    suggested = await central.get(f"ServiceRequest/{asked['id']}/$suggest-targets")
    assert suggested.json()["parameter"]
    lateral = await created(hospital, patient())
    beside = await created(hospital, request(lateral["id"]))
    assert extension(beside, "direction")["valueCode"] == "up"
    await created(hospital, offer(beside["id"], AN_LAO))
    stored = (await hospital.get(f"ServiceRequest/{beside['id']}")).json()
    assert extension(stored, "direction")["valueCode"] == "lateral"
