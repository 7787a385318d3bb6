"""What a referral names is handed on when it comes, and what words name goes with them."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.api.refusals import refused
from tests.api.test_ask_and_answer import words
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    Resource,
    business,
    created,
    observation,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

NO_BED = {"statusReason": {"text": "No bed"}}


def _chosen() -> str:
    """An id as an engine chooses it."""
    return f"e{uuid.uuid4()}"


async def _put(client: httpx.AsyncClient, resource: Resource) -> str:
    """The address of what is written under an id of the client's own, which is new."""
    address = f"{resource['resourceType']}/{resource['id']}"
    answer = await client.put(address, json=resource)
    assert answer.status_code == 201, answer.text
    return address


async def _status(client: httpx.AsyncClient, address: str) -> int:
    return (await client.get(address)).status_code


@pytest.mark.parametrize("element", ["supportingInfo", "reasonReference"])
async def test_what_a_referral_names_is_handed_over_when_it_comes(service: RunningService, element: str):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who, report, result = (await created(station, patient()))["id"], _chosen(), _chosen()
    named = {element: [{"reference": f"DiagnosticReport/{report}"}]}
    asked = await created(station, request(who, KIEN_AN, **named))
    content: Resource = {
        "resourceType": "DiagnosticReport",
        "id": report,
        "status": "final",
        "code": {"text": "Blood count"},
        "subject": {"reference": f"Patient/{who}"},
        "result": [{"reference": f"Observation/{result}"}],
    }
    address = await _put(station, content)
    assert await _status(hospital, address) == 200
    # So is what that names, and comes last.
    found = await _put(station, observation(who, id=result))
    assert await _status(hospital, found) == 200
    # What is named by nobody stays where it is, and what is about another.
    assert await _status(hospital, await _put(station, observation(who, id=_chosen()))) == 404
    other = await created(station, patient())
    later = _chosen()
    version = (await station.get(f"ServiceRequest/{asked['id']}")).headers["ETag"]
    more = asked | {"supportingInfo": [{"reference": f"Observation/{later}"}]}
    answer = await station.put(f"ServiceRequest/{asked['id']}", json=more, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text
    assert await _status(hospital, await _put(station, observation(other["id"], id=later))) == 404


async def test_what_was_deleted_and_comes_back_is_handed_over(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = (await created(station, patient()))["id"]
    document = summary(who, id=_chosen())
    address = await _put(station, document)
    assert (await station.delete(address)).status_code == 204
    await created(station, request(who, KIEN_AN, supportingInfo=[{"reference": address}]))
    await _put(station, document)
    assert await _status(hospital, address) == 200


async def test_what_others_write_under_a_name_is_not_handed_over(service: RunningService):
    case = await offered(service)
    third = await service.system(AN_LAO)
    who, name = case.patient["id"], _chosen()
    named = {"supportingInfo": [{"reference": f"DocumentReference/{name}"}]}
    await created(case.sender, request(who, AN_LAO, **named))
    address = await _put(case.receiver, summary(who, id=name))
    assert await _status(case.receiver, address) == 200
    for client in (case.sender, third):
        assert await _status(client, address) == 404


async def test_whatever_comes_first_of_two_at_one_moment(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = (await created(station, patient()))["id"]
    names = [_chosen() for _ in range(8)]
    both: list[Any] = []
    for name in names:
        named = {"supportingInfo": [{"reference": f"DocumentReference/{name}"}]}
        both += [created(station, request(who, KIEN_AN, **named)), _put(station, summary(who, id=name))]
    await asyncio.gather(*both)
    assert {await _status(hospital, f"DocumentReference/{name}") for name in names} == {200}


def _named_in(words: Resource, *addresses: str) -> Resource:
    return words | {"payload": words["payload"] + [{"contentReference": {"reference": a}} for a in addresses]}


async def test_an_answer_and_a_question_bring_what_they_name(service: RunningService):
    case = await offered(service)
    who = case.patient["id"]
    photo = f"DocumentReference/{(await created(case.receiver, summary(who)))['id']}"
    question = await created(case.receiver, _named_in(words(case, "Like this?"), photo))
    assert await _status(case.sender, photo) == 200
    letter = f"DocumentReference/{(await created(case.sender, summary(who)))['id']}"
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "dGV4dA=="}
    binary = f"Binary/{(await created(case.sender, sent))['id']}"
    answer = _named_in(words(case, "See there", question["id"]), letter, binary, "DocumentReference/x")
    # A draft gives nothing yet.
    draft = await created(case.sender, answer | {"status": "preparation"})
    assert await _status(case.receiver, letter) == 404
    said = await case.sender.put(f"Communication/{draft['id']}", json=draft | {"status": "completed"})
    assert said.status_code == 200, said.text
    assert [await _status(case.receiver, one) for one in (letter, binary)] == [200, 200]
    # It goes with the package.
    await case.moved(case.receiver, "rejected", **NO_BED)
    seen = [
        await _status(client, one)
        for client, one in ((case.receiver, letter), (case.receiver, binary), (case.sender, photo))
    ]
    assert seen == [404, 404, 404]


async def test_words_bring_nothing_of_another_patient_or_of_others(service: RunningService):
    case = await offered(service)
    elsewhere = await created(case.receiver, patient())
    other = f"DocumentReference/{(await created(case.receiver, summary(elsewhere['id'])))['id']}"
    asked = await case.receiver.post("Communication", json=_named_in(words(case, "This?"), other))
    refused(asked, 422, "business-rule", "Communication.payload[1].content")
    assert business(await case.task()) == "requested"
    # A record of the same person is one, by whichever of the two patients.
    own = await created(case.receiver, patient(identifier=case.patient["identifier"]))
    known = f"DocumentReference/{(await created(case.receiver, summary(own['id'])))['id']}"
    about = {"subject": {"reference": f"Patient/{own['id']}"}}
    await created(case.receiver, _named_in(words(case, "This one, then?", **about), known))
    assert await _status(case.sender, known) == 200
    # What it was shown by another it does not show.
    second = await offered(service, sender=AN_LAO)
    theirs = f"DocumentReference/{(await created(second.sender, summary(second.patient['id'])))['id']}"
    named = {"supportingInfo": [{"reference": theirs}]}
    await created(second.sender, request(second.patient["id"], KIEN_AN, **named))
    third = await created(case.sender, patient(identifier=second.patient["identifier"]))
    asked_too = await created(case.sender, request(third["id"], KIEN_AN))
    found = await case.sender.get("Task", params={"focus": f"ServiceRequest/{asked_too['id']}"})
    case.request, case.offer_id = asked_too, found.json()["entry"][0]["resource"]["id"]
    about = {"subject": {"reference": f"Patient/{second.patient['id']}"}}
    await created(case.receiver, _named_in(words(case, "As at An Lao?", **about), theirs))
    assert await _status(case.sender, theirs) == 404


async def test_what_comes_while_the_offer_ends_is_not_handed_over(service: RunningService):
    for _ in range(5):
        name = _chosen()
        case = await offered(service, supportingInfo=[{"reference": f"DocumentReference/{name}"}])
        address, _ = await asyncio.gather(
            _put(case.sender, summary(case.patient["id"], id=name)),
            case.moved(case.sender, "cancelled", **NO_BED),
        )
        assert await _status(case.receiver, address) == 404
