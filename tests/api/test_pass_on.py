"""Referring on a patient whom another facility sent: by whom, and for how long. See decision 0019."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.refusals import refused
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    Resource,
    created,
    extension,
    observation,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

NO_BED = {"statusReason": {"text": "No bed"}}


@dataclass(slots=True)
class Sent(Case):
    """A referral with a document that has an attachment; by what address each is read."""

    document: str = ""
    binary: str = ""

    @property
    def who(self) -> str:
        return f"Patient/{self.patient['id']}"

    @property
    def based_on(self) -> Resource:
        return {"basedOn": [{"reference": f"ServiceRequest/{self.request['id']}"}]}


async def _binary(client: httpx.AsyncClient) -> str:
    """The address of a new attachment."""
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "dGV4dA=="}
    return f"Binary/{(await created(client, sent))['id']}"


def _holding(binary: str, who: str) -> Resource:
    attachment = {"contentType": "text/plain", "url": binary}
    return summary(who, content=[{"attachment": attachment}])


async def sent(service: RunningService, sender: str = LE_CHAN, receiver: str = KIEN_AN) -> Sent:
    """A referral that nobody has looked at yet."""
    station = await service.system(sender)
    who = await created(station, patient())
    binary = await _binary(station)
    document = f"DocumentReference/{(await created(station, _holding(binary, who['id'])))['id']}"
    asked = await created(station, request(who["id"], receiver, supportingInfo=[{"reference": document}]))
    return await _offer_of(
        Sent(station, await service.system(receiver), receiver, who, asked, "", document, binary)
    )


async def _offer_of(case: Sent) -> Sent:
    found = await case.sender.get("Task", params={"focus": f"ServiceRequest/{case.request['id']}"})
    (entry,) = found.json()["entry"]
    case.offer_id = entry["resource"]["id"]
    return case


async def passed_on(service: RunningService, first: Sent, to: str, **more: Any) -> Sent:
    """The patient of a referral sent on by its receiver, with a record of its own beside the document."""
    own = await created(first.receiver, observation(first.patient["id"]))
    named = [{"reference": first.document}, {"reference": f"Observation/{own['id']}"}]
    content = request(first.patient["id"], to, supportingInfo=named, **first.based_on) | more
    asked = await created(first.receiver, content)
    case = Sent(
        first.receiver, await service.system(to), to, first.patient, asked, "", first.document, first.binary
    )
    return await _offer_of(case)


async def sees(case: Sent, client: httpx.AsyncClient) -> list[bool]:
    """Whether a party sees the patient, the document and its attachment."""
    answers = [await client.get(address) for address in (case.who, case.document, case.binary)]
    return [answer.status_code == 200 for answer in answers]


SEEN, HIDDEN = [True] * 3, [False] * 3


async def test_who_was_only_asked_sends_nobody_on(service: RunningService):
    case = await sent(service)
    hospital, third = case.receiver, await service.system(AN_LAO)
    own = await created(hospital, patient(identifier=case.patient["identifier"]))
    document = {"supportingInfo": [{"reference": case.document}]}
    number = {"identifier": {name: own["identifier"][0][name] for name in ("system", "value")}}
    subject, named = "ServiceRequest.subject", "ServiceRequest.supportingInfo[0]"
    for state in ("requested", "received"):
        if state == "received":
            await case.moved(hospital, state)
        for content, place in (
            (request(case.patient["id"], AN_LAO), subject),
            (request(case.patient["id"], AN_LAO, **case.based_on), subject),
            (request(case.patient["id"], **case.based_on), subject),
            # A patient of its own, with what was given about that of the station.
            (request(own["id"], AN_LAO, **document), named),
            (request("", AN_LAO, subject=number, **document, **case.based_on), named),
        ):
            refused(await hospital.post("ServiceRequest", json=content), 422, "business-rule", place)
            bundle = {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [{"resource": content, "request": {"method": "POST", "url": "ServiceRequest"}}],
            }
            answer = await hospital.post("", json=bundle)
            refused(answer, 422, "business-rule", place.replace("ServiceRequest", "Bundle.entry[0].resource"))
            told = await hospital.post("ServiceRequest/$validate?mode=create", json=content)
            assert told.json()["issue"][0]["expression"] == [place]
    # A draft gives nothing; it is no other when it is sent.
    draft = await created(hospital, request(case.patient["id"], AN_LAO, status="draft", **case.based_on))
    address, first = f"ServiceRequest/{draft['id']}", {"If-Match": 'W/"1"'}
    answer = await hospital.put(address, json=draft | {"status": "active"}, headers=first)
    refused(answer, 422, "business-rule", subject)
    # Nor is what is added to a referral that was sent with nothing of others.
    onward = await created(hospital, request(own["id"], AN_LAO, **case.based_on))
    address, first = f"ServiceRequest/{onward['id']}", {"If-Match": 'W/"1"'}
    answer = await hospital.put(address, json=onward | document, headers=first)
    refused(answer, 422, "business-rule", named)
    assert await sees(case, third) == HIDDEN


async def test_what_it_wrote_itself_carries_nothing_of_others_along(service: RunningService):
    """What a document names is not read with the referral: the database gives it, or does not."""
    case = await sent(service)
    hospital, third = case.receiver, await service.system(AN_LAO)
    own = await created(hospital, patient())
    letter = await created(hospital, _holding(case.binary, own["id"]))
    named = {"supportingInfo": [{"reference": f"DocumentReference/{letter['id']}"}]}
    await created(hospital, request(own["id"], AN_LAO, **named))
    plain = await created(hospital, summary(own["id"]))
    named = {"supportingInfo": [{"reference": f"DocumentReference/{plain['id']}"}]}
    await created(hospital, request(own["id"], AN_LAO, **named))
    address = f"DocumentReference/{plain['id']}"
    answer = await hospital.put(address, json=plain | _holding(case.binary, own["id"]))
    assert answer.status_code == 200, answer.text
    for document in (letter, plain):
        assert (await third.get(f"DocumentReference/{document['id']}")).status_code == 200
    assert (await third.get(case.binary)).status_code == 404


async def test_who_has_accepted_sends_on_what_it_was_given_by_its_referral(service: RunningService):
    case = await sent(service)
    hospital = case.receiver
    await case.moved(hospital, "accepted")
    unnamed = await hospital.post("ServiceRequest", json=request(case.patient["id"], AN_LAO))
    refused(unnamed, 422, "business-rule", "ServiceRequest.subject")
    second = await passed_on(service, case, AN_LAO)
    assert await sees(case, second.receiver) == SEEN
    # Also where it knows that referral by its number alone.
    (fill,) = [one for one in case.request["identifier"] if one["system"].endswith("/referral-number")]
    number = {name: fill[name] for name in ("system", "value")}
    for logical in ({"identifier": number}, {"type": "ServiceRequest", "identifier": number}):
        third = await passed_on(service, case, VIET_TIEP, basedOn=[logical])
        assert extension(third.request, "journey") == extension(await case.referral(), "journey")
        assert await sees(case, third.receiver) == SEEN
    # So do words that name it.
    told = {"resourceType": "Communication", "status": "completed", "basedOn": [{"identifier": number}]}
    heard = await created(case.sender, told)
    assert (await hospital.get(f"Communication/{heard['id']}")).status_code == 200
    # What it sent on is continued, too, by who names where the patient came from.
    both = [*second.based_on["basedOn"], *case.based_on["basedOn"]]
    again = await passed_on(service, case, CAT_HAI, basedOn=both)
    await case.moved(case.sender, "cancelled", **NO_BED)
    for one in (second, third, again):
        assert await sees(case, one.receiver) == HIDDEN


@pytest.mark.parametrize("end", ["withdrawn", "rejected", "cancelled with its referral"])
async def test_what_was_passed_on_before_care_ends_with_what_it_rests_on(service: RunningService, end: str):
    first = await sent(service)
    await first.moved(first.receiver, "accepted")
    second = await passed_on(service, first, AN_LAO)
    await second.moved(second.receiver, "accepted")
    third = await passed_on(service, second, VIET_TIEP)
    assert await sees(first, second.receiver) == await sees(first, third.receiver) == SEEN
    match end:
        case "withdrawn":
            await first.moved(first.sender, "cancelled", **NO_BED)
        case "rejected":
            await first.moved(first.receiver, "rejected", **NO_BED)
        case _:
            before = await first.referral()
            why = {
                "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
                "valueCodeableConcept": {"text": "They stay at home"},
            }
            revoked = before | {"status": "revoked", "extension": [*before["extension"], why]}
            version = {"If-Match": f'W/"{before["meta"]["versionId"]}"'}
            address = f"ServiceRequest/{before['id']}"
            assert (await first.sender.put(address, json=revoked, headers=version)).status_code == 200
    for client in (first.receiver, second.receiver, third.receiver):
        assert await sees(first, client) == HIDDEN
    # What each had of its own to give stays with the offer that gave it.
    for case in (second, third):
        own = case.request["supportingInfo"][1]["reference"]
        assert (await case.receiver.get(own)).status_code == 200
    # A change of what they sent gives nothing anew.
    noted = await second.sender.get(f"ServiceRequest/{second.request['id']}")
    answer = await second.sender.put(
        f"ServiceRequest/{second.request['id']}",
        json=noted.json() | {"note": [{"text": "Comes by boat"}]},
        headers={"If-Match": noted.headers["ETag"]},
    )
    assert answer.status_code == 200, answer.text
    assert await sees(first, second.receiver) == HIDDEN


async def test_care_that_has_begun_keeps_what_it_was_given(service: RunningService):
    first = await sent(service)
    await first.moved(first.receiver, "accepted")
    second = await passed_on(service, first, AN_LAO)
    waiting = await passed_on(service, first, CAT_HAI)
    await second.moved(second.receiver, "in-progress")
    third = await passed_on(service, second, VIET_TIEP)
    await first.moved(first.sender, "cancelled", **NO_BED)
    assert await sees(first, first.receiver) == await sees(first, waiting.receiver) == HIDDEN
    assert await sees(first, second.receiver) == await sees(first, third.receiver) == SEEN


async def test_what_is_passed_on_while_the_offer_ends_ends_too(service: RunningService):
    third = await service.system(AN_LAO)
    for _ in range(5):
        case = await sent(service)
        await case.moved(case.receiver, "accepted")
        named = {"supportingInfo": [{"reference": case.document}], **case.based_on}
        content = request(case.patient["id"], AN_LAO, **named)
        answer, _ = await asyncio.gather(
            case.receiver.post("ServiceRequest", json=content),
            case.moved(case.sender, "cancelled", **NO_BED),
        )
        assert answer.status_code in {201, 422}, answer.text
        assert await sees(case, third) == HIDDEN


async def test_an_error_of_the_office_takes_back_what_has_not_arrived(service: RunningService):
    first = await sent(service)
    await first.moved(first.receiver, "in-progress")
    second = await passed_on(service, first, AN_LAO)
    office = await service.system(OFFICE)
    await first.moved(office, "entered-in-error", **NO_BED)
    assert await sees(first, second.receiver) == HIDDEN


async def test_accepting_and_sending_on_may_be_one_transaction(service: RunningService):
    case = await sent(service)
    task = await case.task()
    onward = request(case.patient["id"], AN_LAO, **case.based_on)
    entries: list[Resource] = [
        {"resource": onward, "request": {"method": "POST", "url": "ServiceRequest"}},
        {
            "resource": task | {"status": "accepted"},
            "request": {"method": "PUT", "url": f"Task/{case.offer_id}", "ifMatch": 'W/"1"'},
        },
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await case.receiver.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    third = await service.system(AN_LAO)
    assert (await third.get(case.who)).status_code == 200


async def test_what_came_back_is_passed_on_as_ones_own(service: RunningService):
    case = await sent(service)
    await case.moved(case.receiver, "in-progress")
    letter = await created(case.receiver, summary(case.patient["id"]))
    named = {"reference": f"DocumentReference/{letter['id']}"}
    report = {"type": {"coding": [{"code": "preliminary"}]}, "valueReference": named}
    await case.moved(case.receiver, "in-progress", output=[report])
    later = request(case.patient["id"], VIET_TIEP, supportingInfo=[named])
    await created(case.sender, later)
    central = await service.system(VIET_TIEP)
    assert (await central.get(named["reference"])).status_code == 200


async def test_a_referral_does_not_name_what_goes_in_the_same_transaction(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    for kind in ("supportingInfo", "reasonReference"):
        seen = f"Observation/{(await created(station, observation(who['id'])))['id']}"
        asked = request(who["id"], KIEN_AN, **{kind: [{"reference": seen}]})
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"resource": asked, "request": {"method": "POST", "url": "ServiceRequest"}},
                {"request": {"method": "DELETE", "url": seen}},
            ],
        }
        refused(await station.post("", json=bundle), 409, "conflict", "Bundle.entry[0].resource")
        assert (await station.get(seen)).status_code == 200
