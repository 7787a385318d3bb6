"""Who sees what of a referral by every form of search, in each of its states; what a journey adds to that."""

import uuid
from urllib.parse import urlencode

import pytest

from tests.api.questions import FORM
from tests.api.scenes import EXPECTED, FACILITIES, TYPES, Scene, scene_in, words
from tests.api.viewers import Viewers
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    VIET_TIEP,
    Case,
    arrived,
    completion,
    created,
    observation,
    offered,
    patient,
    request,
    summary,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService


def test_the_table_names_what_there_is():
    assert {
        name for row in EXPECTED.values() for line in row.values() for name in words(line)
    } == TYPES.keys()
    assert all(row.keys() == FACILITIES.keys() for row in EXPECTED.values())


@pytest.fixture(scope="session")
async def forms(scene: Scene) -> dict[str, dict[str, set[str]]]:
    """Every search that finds something of the scene, by type and query, with what it is to find.

    Taken from the index itself: a parameter that is added later is tried with the others.
    """
    names = {(TYPES[name], resource_id): name for name, resource_id in scene.ids.items()}
    found: dict[str, dict[str, set[str]]] = {}
    async with behind_the_wall(scene.service.store) as owner:
        for table, value in {
            "search_token": "CASE WHEN system = '' THEN code ELSE system || '|' || code END",
            "search_reference": "target_type || '/' || target_id",
            "search_date": "to_char(low AT TIME ZONE 'UTC', CASE WHEN high - low < interval '1 second'"
            " THEN 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"' WHEN high - low = interval '1 second'"
            " THEN 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"' ELSE 'YYYY-MM-DD' END)",
            "search_string": "split_part(folded, E'\\x1f', 1)",
        }.items():
            rows = await owner.fetch(
                f"SELECT DISTINCT type, id, param, {value} AS value FROM {table}"
                " WHERE id = ANY ($1::text[]) AND param NOT LIKE E'\\\\_%'",
                list(scene.ids.values()),
            )
            for row in rows:
                queries = found.setdefault(row["type"], {})
                queries.setdefault(f"{row['param']}={row['value']}", set()).add(names[row["type"], row["id"]])
    assert any(query.startswith("subject:identifier=") for query in found["Observation"])
    return found


@pytest.mark.parametrize("viewer", FACILITIES)
async def test_no_form_of_search_finds_more_than_what_is_seen(
    scene: Scene, forms: dict[str, dict[str, set[str]]], viewers: Viewers, viewer: str
):
    await viewers.sign_in(viewer)
    tried = 0
    for resource_type, queries in forms.items():
        ids = ",".join(scene.ids[name] for name in scene.of_type(resource_type))
        for query, matches in queries.items():
            param, _, value = query.partition("=")
            # Among those of the scene alone: others are of other tests.
            pairs = urlencode({param: value, "_id": ids, "_total": "accurate", "_sort": "-_lastUpdated"})
            answers = [await viewers.ask(viewer, "GET", f"/{resource_type}?{pairs}")]
            if tried % 5 == 0:
                asked = (f"/{resource_type}/_search", pairs.encode(), FORM)
                answers.append(await viewers.ask(viewer, "POST", *asked))
            for answer in answers:
                assert answer.status_code == 200, (query, answer.text)
                page = answer.json()
                found = {entry["resource"]["id"] for entry in page.get("entry", [])}
                assert found == {scene.ids[name] for name in matches & scene.seen_by(viewer)}, query
                assert page["total"] == len(found)
            tried += 1
    assert tried > 20


async def test_a_summary_goes_to_the_senders_before_and_not_to_those_after(service: RunningService):
    first = await arrived(service, sender=LE_CHAN, receiver=KIEN_AN)
    third = await service.system(VIET_TIEP)
    onward = request(
        first.patient["id"], VIET_TIEP, basedOn=[{"reference": f"ServiceRequest/{first.request['id']}"}]
    )
    asked = await created(first.receiver, onward)
    found = await third.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    second = Case(
        first.receiver, third, VIET_TIEP, first.patient, asked, found.json()["entry"][0]["resource"]["id"]
    )
    await second.moved(third, "in-progress")
    later = await created(third, summary(first.patient["id"]))
    # With the way down the third becomes a sender of the journey too, after the first referral.
    await second.moved(third, "completed", output=completion(later["id"], "returned-to-referrer"))
    earlier = await created(first.receiver, summary(first.patient["id"]))
    await first.moved(first.receiver, "completed", output=completion(earlier["id"]))
    for client, document, status in (
        (first.sender, later, 200),
        (first.sender, earlier, 200),
        (first.receiver, later, 200),
        (third, earlier, 404),
    ):
        assert (await client.get(f"DocumentReference/{document['id']}")).status_code == status


async def test_a_journey_is_written_in_one_transaction_in_any_order(service: RunningService):
    station = await service.system(LE_CHAN)
    who, first, second = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    entries = [
        (who, patient()),
        (second, request("", KIEN_AN, subject={"reference": who}, basedOn=[{"reference": first}])),
        (first, request("", KIEN_AN, subject={"reference": who})),
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": url,
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for url, resource in entries
        ],
    }
    answer = await station.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    for entry in answer.json()["entry"]:
        kind, resource_id = entry["resource"]["resourceType"], entry["resource"]["id"]
        assert (await station.get(f"{kind}/{resource_id}")).status_code == 200


async def test_a_journey_that_goes_in_a_circle_is_refused(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    ends = [f"urn:uuid:{uuid.uuid4()}" for _ in range(2)]
    entries = [
        {
            "fullUrl": url,
            "resource": request(who["id"], KIEN_AN, basedOn=[{"reference": other}]),
            "request": {"method": "POST", "url": "ServiceRequest"},
        }
        for url, other in (ends, ends[::-1])
    ]
    answer = await station.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule"), answer.text
    one = await created(station, request(who["id"], status="draft"))
    based_on = [{"reference": f"ServiceRequest/{one['id']}"}]
    two = await created(station, request(who["id"], status="draft", basedOn=based_on))
    circle = one | {"basedOn": [{"reference": f"ServiceRequest/{two['id']}"}]}
    answer = await station.put(f"ServiceRequest/{one['id']}", json=circle, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    # As a draft it harms nobody; what is submitted continues what was submitted before it.
    for draft in (circle, two):
        address = f"ServiceRequest/{draft['id']}"
        version = (await station.get(address)).headers["ETag"]
        answer = await station.put(address, json=draft | {"status": "active"}, headers={"If-Match": version})
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule"), answer.text


LATER = {
    "offered": {"receiver"},
    "accepted": {"receiver"},
    "rejected": set(),
    "withdrawn": set(),
    "rejected and offered to the next": {"next"},
    "arrived": {"receiver"},
    "completed": {"receiver"},
}
"""Who is told of what the sender adds, besides the sender: who has, or had, the patient in care."""


@pytest.mark.parametrize("state", LATER)
async def test_what_is_added_later_is_seen_by_whom_it_concerns(service: RunningService, state: str):
    scene = await scene_in(service, state)
    sender = await service.system(FACILITIES["sender"])
    content = scene.contents["request"]
    linked = [*content.get("supportingInfo", ()), scene.named("other")]
    address, version = scene.named("request")["reference"], scene.versions()[content["id"]]
    changed = content | {"supportingInfo": linked}
    answer = await sender.put(address, json=changed, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text
    said = {"resourceType": "Communication", "status": "completed", "basedOn": [scene.named("request")]}
    words = await created(sender, said)
    for viewer, facility in FACILITIES.items():
        client = await service.system(facility)
        status = 200 if viewer in LATER[state] | {"sender"} else 404
        for added in (scene.named("other")["reference"], f"Communication/{words['id']}"):
            answer = await client.get(added)
            assert answer.status_code == status, (viewer, added)


async def test_who_sends_on_hands_on_what_it_sees_and_no_more(service: RunningService):
    scene = await scene_in(service, "arrived")
    receiver, third = await service.system(FACILITIES["receiver"]), await service.system(AN_LAO)
    names = ["package", "other", "result"]
    onward = request(
        scene.ids["patient"],
        AN_LAO,
        basedOn=[scene.named("request")],
        supportingInfo=[scene.named(name) for name in names],
    )
    asked = await created(receiver, onward)
    assert (await third.get(f"ServiceRequest/{asked['id']}")).status_code == 200
    seen = {
        name for name in scene.ids if (await third.get(scene.named(name)["reference"])).status_code == 200
    }
    assert seen == {"patient", "package", "part", "result"}


async def test_who_lost_sight_of_a_patient_still_corrects_what_it_wrote(service: RunningService):
    case = await offered(service)
    about = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    subject = {"identifier": {name: case.patient["identifier"][0][name] for name in ("system", "value")}}
    words = {"resourceType": "Communication", "status": "completed", "basedOn": about}
    written = [
        await created(case.receiver, resource)
        for resource in (
            observation(case.patient["id"]),
            observation("x", subject=subject),
            words | {"subject": {"reference": f"Patient/{case.patient['id']}"}},
        )
    ]
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    assert (await case.receiver.get(f"Patient/{case.patient['id']}")).status_code == 404
    for resource in written:
        address = f"{resource['resourceType']}/{resource['id']}"
        answer = await case.receiver.put(address, json=resource | {"status": "entered-in-error"})
        assert answer.status_code == 200, answer.text
        # It is about the patient still, for whoever may see it.
        found = await case.receiver.get(
            resource["resourceType"], params={"patient": case.patient["id"], "_id": resource["id"]}
        )
        assert len(found.json()["entry"]) == 1
        if "reference" in resource["subject"]:
            # By the whole address it is the same patient.
            whole = {"reference": f"{case.receiver.base_url}{resource['subject']['reference']}"}
            answer = await case.receiver.put(address, json=resource | {"subject": whole})
            assert answer.status_code == 200, answer.text
        another = (await created(case.receiver, patient()))["id"]
        for other in ({"reference": f"Patient/{another}"}, {"reference": "Patient/no-such-patient"}):
            answer = await case.receiver.put(address, json=resource | {"subject": other})
            assert answer.status_code == 422, answer.text
    new = await case.receiver.post("Observation", json=observation(case.patient["id"]))
    assert new.status_code == 422


@pytest.mark.parametrize("taken", [False, True])
async def test_a_record_stays_about_its_patient_whoever_has_the_identifier_by_now(
    service: RunningService, taken: bool
):
    """taken: by another patient of the same facility; else nobody has it any more."""
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    subject = {"identifier": {name: who["identifier"][0][name] for name in ("system", "value")}}
    record = await created(station, observation("x", subject=subject))
    answer = await station.put(f"Patient/{who['id']}", json=who | patient(id=who["id"]))
    assert answer.status_code == 200, answer.text
    other = await created(station, patient(identifier=who["identifier"])) if taken else None
    address = f"Observation/{record['id']}"
    answer = await station.put(address, json=record | {"status": "amended"})
    assert answer.status_code == 200, answer.text
    for person in filter(None, (who, other)):
        found = await station.get("Observation", params={"patient": person["id"], "_id": record["id"]})
        assert len(found.json().get("entry", ())) == (person is who)
