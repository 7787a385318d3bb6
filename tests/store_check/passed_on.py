"""What goes to others by more than one offer, comes late, or goes with words."""

import uuid
from typing import Any

import httpx

from tests.api.test_pass_on import passed_on, sent
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    VIET_TIEP,
    Case,
    Resource,
    created,
    observation,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

_NO_BED = {"statusReason": {"text": "No bed"}}


async def pass_on(service: RunningService) -> None:
    """Patients who are sent on: what falls with the first offer, and what care that has begun keeps."""
    first = await sent(service)
    await first.moved(first.receiver, "accepted")
    second = await passed_on(service, first, AN_LAO)
    await second.moved(second.receiver, "accepted")
    await passed_on(service, second, VIET_TIEP)
    await first.moved(first.sender, "cancelled", **_NO_BED)
    begun = await sent(service)
    await begun.moved(begun.receiver, "accepted")
    kept = await passed_on(service, begun, AN_LAO)
    await kept.moved(kept.receiver, "in-progress")
    await begun.moved(begun.sender, "cancelled", **_NO_BED)
    # Who was only asked does not pass on bytes in a document of its own.
    asked = await sent(service)
    own = await created(asked.receiver, patient(identifier=asked.patient["identifier"]))
    scan = [{"attachment": {"contentType": "text/plain", "url": asked.binary}}]
    letter = await created(asked.receiver, summary(own["id"], content=scan))
    named = {"supportingInfo": [{"reference": f"DocumentReference/{letter['id']}"}]}
    await created(asked.receiver, request(own["id"], AN_LAO, **named))


async def name_ahead(service: RunningService) -> None:
    """A report that comes after its referral, the result that it names after that; one that comes back.

    The patient has a photo, which goes with her.
    """
    station = await service.system(LE_CHAN)
    sent_first = {"resourceType": "Binary", "contentType": "image/png", "data": "iVBORw0KGgo="}
    photo = {"contentType": "image/png", "url": f"Binary/{(await created(station, sent_first))['id']}"}
    who = (await created(station, patient(photo=[photo])))["id"]
    report, result = _chosen("late"), _chosen("late")
    await created(
        station, request(who, KIEN_AN, supportingInfo=[{"reference": f"DiagnosticReport/{report}"}])
    )
    await _put(
        station,
        {
            "resourceType": "DiagnosticReport",
            "id": report,
            "status": "final",
            "code": {"text": "Blood count"},
            "subject": {"reference": f"Patient/{who}"},
            "result": [{"reference": f"Observation/{result}"}],
        },
    )
    await _put(station, observation(who, id=result))


async def tell(service: RunningService) -> None:
    """A question and an answer that name a document each: of one offer that goes on, of one that ends."""
    for ends in (False, True):
        case = await offered(service)
        question = await _said(case, case.receiver, {})
        answered = {"inResponseTo": [{"reference": f"Communication/{question}"}]}
        await _said(case, case.sender, answered)
        # What is in preparation nobody hears.
        await _said(case, case.receiver, {"status": "preparation"})
        if ends:
            await case.moved(case.receiver, "rejected", **_NO_BED)


async def replace_by_number(case: Case) -> None:
    """A cancelled referral asked for anew, by the number that everybody knows it by."""
    (known,) = [one for one in case.request["identifier"] if one["system"].endswith("/referral-number")]
    number = {"identifier": {name: known[name] for name in ("system", "value")}, "type": "ServiceRequest"}
    await created(case.sender, request(case.patient["id"], AN_LAO, replaces=[number]))


async def _said(case: Case, client: httpx.AsyncClient, more: dict[str, Any]) -> str:
    named = _chosen("told")
    await _put(client, summary(case.patient["id"], id=named))
    words = {
        "resourceType": "Communication",
        "status": "completed",
        "partOf": [{"reference": f"Task/{case.offer_id}"}],
        "payload": [
            {"contentString": "See this"},
            {"contentReference": {"reference": f"DocumentReference/{named}"}},
        ],
    }
    return str((await created(client, words | more))["id"])


def _chosen(kind: str) -> str:
    """An id as an engine chooses it."""
    return f"{kind}-{uuid.uuid4().hex}"


async def _put(client: httpx.AsyncClient, resource: Resource) -> None:
    answer = await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code == 201, answer.text
