"""A station places a referral. https://hl7.org/fhir/R4/http.html#create"""

import pytest

from referral.domain.number import is_referral_number
from tests.api.test_claim import claim
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    B,
    arrived,
    business,
    created,
    extension,
    observation,
    offer,
    offered,
    output,
    patient,
    request,
)
from tests.running_service import RunningService


def _number(resource):
    return next(i["value"] for i in resource["identifier"] if i["system"] == f"{B}/sid/referral-number")


@pytest.mark.parametrize(
    ("sender", "target", "said", "taken"),
    [
        (LE_CHAN, KIEN_AN, "down", False),
        (KIEN_AN, LE_CHAN, "up", False),
        (LE_CHAN, KIEN_AN, "up", True),
        (KIEN_AN, LE_CHAN, "down", True),
        (LE_CHAN, KIEN_AN, "lateral", True),
        (LE_CHAN, CAT_HAI, "down", True),
        (AN_LAO, KIEN_AN, "up", True),
    ],
)
async def test_what_is_said_of_the_direction_does_not_contradict_the_tiers(
    service: RunningService, sender: str, target: str, said: str, taken: bool
):
    system = await service.system(sender)
    who = await created(system, patient())
    told = {"extension": [{"url": f"{B}/StructureDefinition/direction", "valueCode": said}]}
    answer = await system.post("ServiceRequest", json=request(who["id"], target, **told))
    assert answer.status_code == (201 if taken else 422), answer.text
    if not taken:
        assert answer.json()["issue"][0]["expression"] == ["ServiceRequest.extension"]
    # So it is where the target is named later, and in a draft nothing is refused yet.
    await created(system, request(who["id"], target, status="draft", **told))
    unplaced = await created(system, request(who["id"], **told))
    later = await system.post("Task", json=offer(unplaced["id"], target))
    assert later.status_code == answer.status_code, later.text
    if not taken:
        assert later.json()["issue"][0]["expression"] == ["Task.owner"]
        return
    stored = (await system.get(f"ServiceRequest/{unplaced['id']}")).json()
    assert extension(stored, "direction") == told["extension"][0]


async def test_nobody_but_the_hub_says_that_a_result_is_recognised(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    seen = await created(station, observation(who["id"]))
    mark = {
        "url": f"{B}/StructureDefinition/recognition",
        "extension": [{"url": "until", "valueDate": "2030-01-01"}],
    }
    named = {"reference": f"Observation/{seen['id']}", "extension": [mark]}
    for status in ("draft", "active"):
        sent = request(who["id"], status=status, supportingInfo=[named])
        made = await created(station, sent)
        assert made["supportingInfo"] == [{"reference": f"Observation/{seen['id']}"}]
        headers = {"If-Match": f'W/"{made["meta"]["versionId"]}"', "Prefer": "return=OperationOutcome"}
        changed = made | {"supportingInfo": [named], "note": [{"text": "Fasting"}]}
        answer = await station.put(f"ServiceRequest/{made['id']}", json=changed, headers=headers)
        assert "recognised" in answer.text, answer.text
        kept = (await station.get(f"ServiceRequest/{made['id']}")).json()
        assert kept["supportingInfo"] == made["supportingInfo"]


async def test_who_passes_on_or_turns_up_goes_where_the_tiers_say(service: RunningService):
    down, beside = (
        {"extension": [{"url": f"{B}/StructureDefinition/direction", "valueCode": word}]}
        for word in ("down", "lateral")
    )
    # The receiver of what was sent down may have to pass it on to a higher tier than it came from.
    case = await offered(service, KIEN_AN, LE_CHAN, **down)
    onward = {
        "businessStatus": {"coding": [{"code": "referred-onward"}]},
        "statusReason": {"text": "Too ill for us"},
        "output": [output("target", valueReference={"reference": f"Organization/{VIET_TIEP}"})],
    }
    await case.moved(case.receiver, "rejected", **onward)
    assert extension(await case.referral(), "direction")["valueCode"] == "up"
    # Who turns up there is there.
    case = await offered(service, KIEN_AN, LE_CHAN, **down)
    assert (await claim(await service.system(VIET_TIEP), case)).status_code == 200
    assert extension(await case.referral(), "direction")["valueCode"] == "up"
    # Back to who sent the patient is down, though it is a higher tier.
    case = await arrived(service, sender=KIEN_AN, receiver=LE_CHAN, **beside)
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    back = request(case.patient["id"], KIEN_AN, basedOn=based, **down)
    assert (await case.receiver.post("ServiceRequest", json=back)).status_code == 201
    assert (
        await case.receiver.post(
            "ServiceRequest", json=back | {"performer": request("x", VIET_TIEP)["performer"]}
        )
    ).status_code == 422


async def test_a_submitted_referral_gets_its_number_journey_direction_and_network(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    own = {"system": "urn:test:order", "value": f"O-{who['id']}"}
    asked = await created(station, request(who["id"], identifier=[own]))
    number = _number(asked)
    assert is_referral_number(number)
    assert number.startswith("HP")
    assert asked["identifier"][0] == own
    assert asked["identifier"][1]["type"]["coding"][0]["code"] == "FILL"
    assert extension(asked, "journey")["valueIdentifier"]["value"] == number
    assert extension(asked, "direction")["valueCode"] == "up"
    assert extension(asked, "network")["valueReference"]["reference"] == f"Organization/{OFFICE}"
    for sought in (number, own["value"]):
        found = await station.get("ServiceRequest", params={"identifier": sought})
        assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [asked["id"]]


async def test_one_performer_is_offered_the_referral_by_the_hub(service: RunningService):
    case = await offered(service)
    task = await case.task(case.receiver)
    assert (task["status"], business(task)) == ("requested", "requested")
    assert task["focus"]["reference"] == f"ServiceRequest/{case.request['id']}"
    assert task["owner"]["reference"] == f"Organization/{KIEN_AN}"
    assert task["requester"]["reference"] == f"Organization/{LE_CHAN}"
    assert task["for"]["reference"] == f"Patient/{case.patient['id']}"
    assert task["groupIdentifier"]["value"] == _number(case.request)


async def test_several_performers_are_a_shortlist_of_which_none_is_asked(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"], KIEN_AN, AN_LAO))
    found = await station.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    assert "entry" not in found.json()


async def test_a_performer_named_by_its_facility_code_alone_is_found(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())
    logical = {"identifier": {"system": f"{B}/sid/facility", "value": KIEN_AN}, "display": "Kien An"}
    by_number = {"type": "Patient", "identifier": who["identifier"][0]}
    asked = await created(station, request(who["id"], performer=[logical], subject=by_number))
    assert asked["performer"] == [logical]
    assert asked["subject"] == by_number
    found = await hospital.get("Task", params={"patient": who["id"]})
    (entry,) = found.json()["entry"]
    assert entry["resource"]["owner"] == logical
    again = await hospital.get("Task", params={"owner": f"Organization/{KIEN_AN}", "patient": who["id"]})
    assert len(again.json()["entry"]) == 1


async def test_a_draft_is_seen_by_nobody_else_until_it_is_submitted(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())
    draft = await created(station, request(who["id"], KIEN_AN, status="draft"))
    assert "identifier" not in draft
    assert (await hospital.get(f"ServiceRequest/{draft['id']}")).status_code == 404
    submitted = await station.put(
        f"ServiceRequest/{draft['id']}", json=draft | {"status": "active"}, headers={"If-Match": 'W/"1"'}
    )
    assert submitted.status_code == 200, submitted.text
    assert is_referral_number(_number(submitted.json()))
    assert (await hospital.get(f"ServiceRequest/{draft['id']}")).status_code == 200


async def test_an_offer_shows_the_package_and_nothing_else_of_the_patient(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())
    part = await created(station, observation(who["id"]))
    named = await created(
        station, observation(who["id"], hasMember=[{"reference": f"Observation/{part['id']}"}])
    )
    other = await created(station, observation(who["id"]))
    stranger = await created(station, observation((await created(station, patient()))["id"]))
    info = [{"reference": f"Observation/{found['id']}"} for found in (named, stranger)]
    await created(station, request(who["id"], KIEN_AN, supportingInfo=info))
    for resource, status in ((who, 200), (named, 200), (part, 200), (other, 404), (stranger, 404)):
        answer = await hospital.get(f"{resource['resourceType']}/{resource['id']}")
        assert answer.status_code == status
    found = await hospital.get("Observation", params={"patient": who["id"]})
    assert {entry["resource"]["id"] for entry in found.json()["entry"]} == {named["id"], part["id"]}


async def test_what_is_linked_later_is_seen_by_the_receiver_too(service: RunningService):
    case = await offered(service)
    later = await created(case.sender, observation(case.patient["id"]))
    assert (await case.receiver.get(f"Observation/{later['id']}")).status_code == 404
    changed = case.request | {"supportingInfo": [{"reference": f"Observation/{later['id']}"}]}
    answer = await case.sender.put(
        f"ServiceRequest/{case.request['id']}", json=changed, headers={"If-Match": 'W/"1"'}
    )
    assert answer.status_code == 200, answer.text
    assert (await case.receiver.get(f"Observation/{later['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code", "expression"),
    [
        ({"subject": {"reference": "Patient/nobody"}}, 422, "business-rule", "ServiceRequest.subject"),
        (
            {"subject": {"reference": f"Organization/{KIEN_AN}"}},
            400,
            "invalid",
            "ServiceRequest.subject.reference",
        ),
        (
            {"performer": [{"reference": "Organization/nowhere"}]},
            422,
            "business-rule",
            "ServiceRequest.performer[0]",
        ),
        (
            {"requester": {"reference": f"Organization/{KIEN_AN}"}},
            403,
            "forbidden",
            "ServiceRequest.requester",
        ),
        ({"performer": [{"reference": f"Organization/{LE_CHAN}"}]}, 422, "business-rule", "Task.owner"),
        ({"status": "completed"}, 422, "business-rule", "ServiceRequest.status"),
        ({"status": "banana"}, 400, "code-invalid", "ServiceRequest.status"),
        (
            {"basedOn": [{"reference": "ServiceRequest/none"}]},
            422,
            "business-rule",
            "ServiceRequest.basedOn[0]",
        ),
        (
            {"extension": [{"url": f"{B}/StructureDefinition/direction", "valueCode": "sideways"}]},
            400,
            "code-invalid",
            "ServiceRequest.extension",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_does_not_fit_is_refused_and_leaves_nothing(
    service: RunningService, change, status, code, expression
):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    answer = await station.post("ServiceRequest", json=request(who["id"]) | change)
    assert answer.status_code == status, answer.text
    (issue,) = answer.json()["issue"]
    assert (issue["code"], issue["expression"]) == (code, [expression])
    found = await station.get("ServiceRequest", params={"patient": who["id"]})
    assert "entry" not in found.json()


async def test_a_strangers_patient_and_no_patient_get_the_same_answer(service: RunningService):
    station, other = await service.system(LE_CHAN), await service.system(AN_LAO)
    who = await created(other, patient())
    answers = [await station.post("ServiceRequest", json=request(p)) for p in (who["id"], "nobody")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json() == answers[1].json()


async def test_offering_again_to_the_same_facility_answers_with_the_standing_offer(service: RunningService):
    case = await offered(service)
    mine = {"system": "urn:test:task", "value": f"T-{case.offer_id}"}
    for status in (200, 200):
        again = await case.sender.post("Task", json=offer(case.request["id"], KIEN_AN, identifier=[mine]))
        assert again.status_code == status, again.text
        assert again.json()["id"] == case.offer_id
        assert again.json()["identifier"] == [mine]
    elsewhere = await case.sender.post("Task", json=offer(case.request["id"], AN_LAO))
    assert elsewhere.status_code == 409


async def test_a_stranger_cannot_offer_a_referral_that_is_not_its_own(service: RunningService):
    case = await offered(service)
    other = await service.system(AN_LAO)
    answer = await other.post("Task", json=offer(case.request["id"], KIEN_AN))
    assert answer.status_code == 422
    receiver = await case.receiver.post("Task", json=offer(case.request["id"], AN_LAO))
    assert receiver.status_code == 403


async def test_what_a_submitted_referral_asks_for_is_fixed(service: RunningService):
    case = await offered(service)
    address, if_match = f"ServiceRequest/{case.request['id']}", {"If-Match": 'W/"1"'}
    replaces = [{"reference": f"ServiceRequest/{(await offered(service)).request['id']}"}]
    for change in (
        {"code": {"text": "something else"}},
        {"performer": []},
        {"priority": "routine"},
        {"replaces": replaces},
    ):
        changed = {k: v for k, v in (case.request | change).items() if v != []}
        answer = await case.sender.put(address, json=changed, headers=if_match)
        assert answer.status_code == 422, answer.text
    raised = await case.sender.put(address, json=case.request | {"priority": "stat"}, headers=if_match)
    assert raised.status_code == 200
    assert (await case.task())["priority"] == "stat"


async def test_a_stale_hub_owned_value_stays_as_stored_and_is_told(service: RunningService):
    case = await offered(service)
    changed = case.request | {"status": "completed", "note": [{"text": "seen"}]}
    answer = await case.sender.put(
        f"ServiceRequest/{case.request['id']}",
        json=changed,
        headers={"If-Match": 'W/"1"', "Prefer": "return=OperationOutcome"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["issue"][0]["severity"] == "information"
    assert (await case.referral())["status"] == "active"


async def test_cancelling_withdraws_the_open_offer_and_needs_a_reason(service: RunningService):
    case = await offered(service)
    address, if_match = f"ServiceRequest/{case.request['id']}", {"If-Match": 'W/"1"'}
    refused = await case.sender.put(address, json=case.request | {"status": "revoked"}, headers=if_match)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (422, "required")
    why = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {
            "coding": [{"code": "patient-declined"}],
            "text": "The family goes elsewhere",
        },
    }
    changed = case.request | {"status": "revoked", "extension": [*case.request["extension"], why]}
    answer = await case.sender.put(address, json=changed, headers=if_match)
    assert (answer.status_code, answer.json()["status"]) == (200, "revoked")
    task = await case.task(case.receiver)
    assert (task["status"], business(task)) == ("cancelled", "withdrawn")
    assert (await case.receiver.get(f"Patient/{case.patient['id']}")).status_code == 404


async def test_the_senders_own_number_stands_for_one_referral(service: RunningService):
    station, other = await service.system(LE_CHAN), await service.system(AN_LAO)
    who = await created(station, patient())
    own = {"system": "urn:test:order", "value": f"once-{who['id']}"}
    first = await created(station, request(who["id"], identifier=[own]))
    again = await station.post("ServiceRequest", json=request(who["id"], identifier=[own]))
    assert (again.status_code, again.json()["issue"][0]["code"]) == (409, "duplicate")
    elsewhere = await created(other, patient())
    await created(other, request(elsewhere["id"], identifier=[own]))
    why = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {"text": "Wrong patient"},
    }
    wrong = first | {"status": "entered-in-error", "extension": [*first["extension"], why]}
    taken_back = await station.put(f"ServiceRequest/{first['id']}", json=wrong, headers={"If-Match": 'W/"1"'})
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "entered-in-error")
    await created(station, request(who["id"], identifier=[own]))


async def test_a_draft_is_seen_by_whom_it_continues_when_it_is_submitted(service: RunningService):
    cases = [await arrived(service), await arrived(service, sender=CAT_HAI)]
    before, after = ([{"reference": f"ServiceRequest/{case.request['id']}"}] for case in cases)
    hospital = cases[0].receiver
    draft = await created(
        hospital, request(cases[0].patient["id"], VIET_TIEP, status="draft", basedOn=before)
    )
    path = f"ServiceRequest/{draft['id']}"
    meant = {"basedOn": after, "subject": {"reference": f"Patient/{cases[1].patient['id']}"}}
    submitted = await hospital.put(
        path, json=draft | meant | {"status": "active"}, headers={"If-Match": 'W/"1"'}
    )
    assert submitted.status_code == 200, submitted.text
    seen = [(await case.sender.get(path)).status_code for case in cases]
    assert seen == [404, 200]


async def test_whoever_means_a_referral_is_told_that_it_is_none(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}
    told = {"Prefer": "return=OperationOutcome"}
    for elements in (
        {"category": [{"text": "Education"}], "code": code},
        {"category": [code], "intent": "plan"},
    ):
        answer = await station.post("ServiceRequest", json=request(who["id"], **elements), headers=told)
        assert answer.status_code == 201, answer.text
        (issue,) = answer.json()["issue"]
        assert issue["severity"] == "information"
        assert "category" in issue["diagnostics"]
    laboratory = request(who["id"], category=[{"text": "Laboratory"}])
    answer = await station.post("ServiceRequest", json=laboratory, headers=told)
    assert "category" not in answer.text


async def test_an_order_that_is_no_referral_is_plain_data_with_its_task(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    order = request(who["id"], category=[{"text": "Laboratory"}])
    stored = await created(station, order)
    assert "identifier" not in stored
    task = await created(station, offer(stored["id"], KIEN_AN))
    assert "businessStatus" not in task
    assert (await (await service.system(KIEN_AN)).get(f"Task/{task['id']}")).status_code == 404
    # So it may have an id of its sender's, which an offer may not.
    own = offer(stored["id"], KIEN_AN, id=f"lab-{stored['id']}")
    assert [(await station.put(f"Task/{own['id']}", json=own)).status_code for _ in range(2)] == [201, 200]
