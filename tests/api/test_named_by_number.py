"""A patient or a target named by a business identifier is found by its id, whoever moves the referral on."""

import itertools

from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    B,
    Case,
    completion,
    created,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

_numbers = itertools.count(1)


async def named_by_number(service: RunningService) -> Case:
    """An offered referral that names its patient by a number and its target by a code."""
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    number = {"system": "urn:test:insurance", "value": f"N{next(_numbers):05d}"}
    who = await created(station, patient(identifier=[number]))
    code = {"system": f"{B}/sid/facility", "value": KIEN_AN}
    placed = await created(
        station, request(who["id"], subject={"identifier": number}, performer=[{"identifier": code}])
    )
    found = await station.get("Task", params={"focus": f"ServiceRequest/{placed['id']}"})
    return Case(station, hospital, KIEN_AN, who, placed, found.json()["entry"][0]["resource"]["id"])


async def found_by(case: Case, **parameters: str) -> list[str]:
    answer = await case.sender.get("ServiceRequest", params=parameters)
    return [entry["resource"]["id"] for entry in answer.json().get("entry", ())]


async def finish(case: Case) -> None:
    await case.moved(case.receiver, "accepted")
    await case.moved(case.receiver, "in-progress")
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"]))


async def test_a_referral_is_still_found_when_its_receiver_completed_it(service: RunningService) -> None:
    case = await named_by_number(service)
    await finish(case)
    assert await found_by(case, subject=f"Patient/{case.patient['id']}") == [case.request["id"]]
    by_performer = {"performer": f"Organization/{KIEN_AN}", "_id": case.request["id"]}
    assert await found_by(case, **by_performer) == [case.request["id"]]


async def test_the_receivers_own_patient_of_that_number_is_not_meant(service: RunningService) -> None:
    case = await named_by_number(service)
    own = await created(case.receiver, patient(identifier=case.patient["identifier"]))
    await finish(case)
    assert await found_by(case, subject=f"Patient/{case.patient['id']}") == [case.request["id"]]
    answer = await case.receiver.get("Task", params={"patient": f"Patient/{own['id']}"})
    assert answer.json().get("entry", []) == []
