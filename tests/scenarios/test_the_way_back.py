"""What becomes of patients who were sent up: those who come back, and those who do not."""

from typing import Any

import httpx
import pytest

from tests.factories import (
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    arrived,
    completion,
    created,
    observation,
    offered,
    output,
    request,
    summary,
    summary_in_parts,
)
from tests.running_service import RunningService

Resource = dict[str, Any]
LOOPS = ("open", "closed", "closed-without-return", "lost")
CLOSED = {"businessStatus": {"coding": [{"code": "closed"}]}}


async def loop(client: httpx.AsyncClient, request_id: str) -> str:
    """How the loop of the journey stands, as a search tells."""
    found = []
    for code in LOOPS:
        asked = {"_id": request_id, "loop": code}
        answer = await client.get("ServiceRequest", params=asked)
        found += [code for _ in answer.json().get("entry", ())]
    (one,) = found
    return one


async def sent_down(case: Case) -> Case:
    """The referral down that followed a referral up, as the station and the hospital see it."""
    address = {"based-on": f"ServiceRequest/{case.request['id']}"}
    (entry,) = (await case.sender.get("ServiceRequest", params=address)).json()["entry"]
    down = entry["resource"]
    (task,) = (await case.sender.get("Task", params={"focus": f"ServiceRequest/{down['id']}"})).json()[
        "entry"
    ]
    return Case(case.receiver, case.sender, LE_CHAN, case.patient, down, task["resource"]["id"])


async def test_up_cared_for_down_with_a_summary_and_followed_up_at_the_station(service: RunningService):
    up = await arrived(service)
    written = await created(up.receiver, summary_in_parts(up.patient["id"]))
    parts = completion(None, "returned-to-referrer")
    brings = output("summary", valueReference={"reference": f"Composition/{written['id']}"})
    await up.moved(up.receiver, "completed", output=[*parts, brings])
    assert await loop(up.sender, up.request["id"]) == "open"

    # The station reads what it is to do, and that the patient comes.
    found = (await up.sender.get("Composition", params={"_id": written["id"]})).json()["entry"]
    assert [entry["resource"]["section"] for entry in found] == [written["section"]]
    down = await sent_down(up)
    assert down.request["supportingInfo"] == [{"reference": f"Composition/{written['id']}"}]
    await up.moved(up.sender, "completed", **CLOSED)
    assert await loop(up.sender, up.request["id"]) == "open"

    # It takes the patient, looks at the wound, and writes that down.
    await down.moved(down.receiver, "accepted")
    await down.moved(down.receiver, "in-progress")
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{up.patient['id']}"},
        "basedOn": [{"reference": f"ServiceRequest/{down.request['id']}"}],
    }
    seen = await created(down.receiver, visit)
    encounter = {"reference": f"Encounter/{seen['id']}"}
    await created(down.receiver, observation(up.patient["id"], encounter=encounter))
    await down.moved(down.receiver, "completed", note=[{"text": "The wound has healed."}])
    assert await loop(down.sender, down.request["id"]) == "open"

    # The hospital reads how it went, and closes: that ends the journey, for everybody who sees it.
    assert (await down.task(down.sender))["note"][0]["text"] == "The wound has healed."
    await down.moved(down.sender, "completed", **CLOSED)
    office = await service.system(OFFICE)
    for client in (up.sender, up.receiver, office):
        assert await loop(client, up.request["id"]) == "closed"
        assert await loop(client, down.request["id"]) == "closed"


@pytest.mark.parametrize(
    ("disposition", "outcome", "note", "ends"),
    [
        ("discharged", "cured", False, "closed"),
        ("died", "died", True, "closed-without-return"),
        ("absconded", "undetermined", True, "closed-without-return"),
        ("left-on-request", "went-home-severe", False, "closed-without-return"),
    ],
)
async def test_the_loop_ends_as_the_care_did(
    service: RunningService, disposition: str, outcome: str, note: bool, ends: str
):
    case = await arrived(service)
    letter = None if note else (await created(case.receiver, summary(case.patient["id"])))["id"]
    notes = {"note": [{"text": "At two in the morning."}]} if note else {}
    parts = completion(letter, disposition, outcome)
    await case.moved(case.receiver, "completed", output=parts, **notes)
    # The sender still owes to have read it.
    assert await loop(case.sender, case.request["id"]) == "open"
    assert (await case.sender.get("ServiceRequest", params={"based-on": case.request["id"]})).json().get(
        "entry"
    ) is None
    await case.moved(case.sender, "completed", **CLOSED)
    assert await loop(case.sender, case.request["id"]) == ends
    assert await loop(case.receiver, case.request["id"]) == ends


async def test_moved_on_to_a_third_house_and_home_from_there(service: RunningService):
    first = await arrived(service)
    hospital, central = first.receiver, await service.system(VIET_TIEP)
    more = {"basedOn": [{"reference": f"ServiceRequest/{first.request['id']}"}]}
    result = await created(hospital, observation(first.patient["id"]))
    more["supportingInfo"] = [{"reference": f"Observation/{result['id']}"}]
    onward = await created(hospital, request(first.patient["id"], VIET_TIEP, **more))
    letter = await created(hospital, summary(first.patient["id"]))
    await first.moved(hospital, "completed", output=completion(letter["id"], "moved-on"))
    await first.moved(first.sender, "completed", **CLOSED)
    assert await loop(first.sender, first.request["id"]) == "open"

    found = await central.get("Task", params={"focus": f"ServiceRequest/{onward['id']}"})
    (entry,) = found.json()["entry"]
    second = Case(hospital, central, VIET_TIEP, first.patient, onward, entry["resource"]["id"])
    await second.moved(central, "accepted")
    await second.moved(central, "in-progress")
    last = await created(central, summary(first.patient["id"]))
    await second.moved(central, "completed", output=completion(last["id"]))

    # The station that sent the patient first reads how it goes on and the summary, not what was sent along.
    station = first.sender
    assert (await station.get(f"ServiceRequest/{onward['id']}")).json()["status"] == "completed"
    assert (await station.get(f"DocumentReference/{last['id']}")).status_code == 200
    assert (await station.get(f"Observation/{result['id']}")).status_code == 404
    told = (await station.get(f"ServiceRequest/{onward['id']}/$everything")).json()["entry"]
    assert [entry["resource"]["id"] for entry in told] == [onward["id"], first.patient["id"]]

    await second.moved(hospital, "completed", **CLOSED)
    assert await loop(station, onward["id"]) == "closed"
    assert await loop(central, onward["id"]) == "closed"

    # Weeks later the patient has to go again, for the same illness.
    again = await created(station, request(first.patient["id"], KIEN_AN, basedOn=more["basedOn"]))
    for client, one in ((station, again), (central, onward)):
        assert await loop(client, one["id"]) == "open"


async def test_down_step_by_step_until_who_sent_the_patient_has_him(service: RunningService):
    first = await arrived(service)
    station, hospital, central = first.sender, first.receiver, await service.system(VIET_TIEP)
    based = [{"reference": f"ServiceRequest/{first.request['id']}"}]
    onward = await created(hospital, request(first.patient["id"], VIET_TIEP, basedOn=based))
    letter = await created(hospital, summary(first.patient["id"]))
    await first.moved(hospital, "completed", output=completion(letter["id"], "moved-on"))
    found = await central.get("Task", params={"focus": f"ServiceRequest/{onward['id']}"})
    task = found.json()["entry"][0]["resource"]["id"]
    second = Case(hospital, central, VIET_TIEP, first.patient, onward, task)
    await second.moved(central, "in-progress")
    letter = await created(central, summary(first.patient["id"]))
    await second.moved(central, "completed", output=completion(letter["id"], "returned-to-referrer"))

    # Back in the hospital, which sent the patient second: a note alone would leave the station without.
    down = await sent_down(second)
    await down.moved(hospital, "in-progress")
    (complete,) = [
        part["part"]
        for part in (await hospital.get(f"Task/{down.offer_id}/$moves")).json()["parameter"]
        if {"name": "code", "valueCode": "complete"} in part.get("part", ())
    ]
    needs = [each["valueCode"] for each in complete if each["name"] == "needs"]
    assert needs == ["disposition", "note"]
    note = {"note": [{"text": "A night here, and home."}]}
    bare = await down.move(hospital, "completed", **note)
    assert (bare.status_code, "disposition" in bare.text) == (422, True)
    back = [output("disposition", valueCodeableConcept={"coding": [{"code": "returned-to-referrer"}]})]
    await down.moved(hospital, "completed", output=back, **note)
    for case, client in ((first, station), (second, hospital), (down, central)):
        await case.moved(client, "completed", **CLOSED)
    assert await loop(station, first.request["id"]) == "open"

    # The way goes on to the station, for which a note is enough.
    (entry,) = (await station.get("Task", params={"owner": LE_CHAN, "patient": first.patient["id"]})).json()[
        "entry"
    ]
    home = Case(hospital, station, LE_CHAN, first.patient, down.request, entry["resource"]["id"])
    await home.moved(station, "in-progress")
    await home.moved(station, "completed", **note)
    await home.moved(hospital, "completed", **CLOSED)
    assert await loop(station, first.request["id"]) == "closed"


async def test_a_way_down_that_is_over_does_not_stand_in_for_the_next(service: RunningService):
    up = await arrived(service)
    hospital, other = up.receiver, await service.system(CAT_HAI)
    based = [{"reference": f"ServiceRequest/{up.request['id']}"}]
    first = await created(hospital, request(up.patient["id"], CAT_HAI, basedOn=based))
    found = await other.get("Task", params={"focus": f"ServiceRequest/{first['id']}"})
    task = found.json()["entry"][0]["resource"]["id"]
    aside = Case(hospital, other, CAT_HAI, up.patient, first, task)
    # Some weeks of exercise elsewhere, and back to the hospital.
    await aside.moved(other, "accepted")
    await aside.moved(other, "in-progress")
    parts = [output("disposition", valueCodeableConcept={"coding": [{"code": "discharged"}]})]
    await aside.moved(other, "completed", output=parts, note=[{"text": "Walks again."}])
    letter = await created(hospital, summary(up.patient["id"]))
    await up.moved(hospital, "completed", output=completion(letter["id"], "returned-to-referrer"))
    found = await up.sender.get("Task", params={"owner": LE_CHAN, "patient": up.patient["id"]})
    (entry,) = found.json()["entry"]
    assert entry["resource"]["status"] == "requested"


async def test_the_family_does_not_want_to_go(service: RunningService):
    case = await offered(service)
    before = await case.referral()
    reason = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {"coding": [{"code": "patient-declined"}], "text": "They stay at home."},
    }
    answer = await case.sender.put(
        f"ServiceRequest/{before['id']}",
        json=before | {"status": "revoked", "extension": [*before["extension"], reason]},
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"'},
    )
    assert answer.status_code == 200, answer.text
    assert await loop(case.sender, case.request["id"]) == "closed-without-return"


async def test_a_stranger_finds_no_journey(service: RunningService):
    case = await offered(service)
    stranger = await service.system("tien-lang-medical-centre")
    for asked in ({"loop": "open"}, {"loop:not": "lost"}, {"loop:missing": "false"}):
        answer = await stranger.get("ServiceRequest", params={"_id": case.request["id"], **asked})
        assert answer.json().get("entry") is None
        assert len((await case.sender.get("ServiceRequest", params=answer.url.params)).json()["entry"]) == 1
    draft = await created(case.sender, request(case.patient["id"], status="draft"))
    missing = {"_id": draft["id"], "loop:missing": "true"}
    assert len((await case.sender.get("ServiceRequest", params=missing)).json()["entry"]) == 1
