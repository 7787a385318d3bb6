"""`$everything`: a referral with its package, for each who sees it."""

from typing import Any

import httpx
import pytest

from tests.factories import KIEN_AN, LE_CHAN, OFFICE, created, observation, offered, patient, request
from tests.running_service import RunningService

Resource = dict[str, Any]


def names(answer: httpx.Response) -> list[str]:
    """Type and id of each entry, in their order."""
    assert answer.status_code == 200, answer.text
    found = [entry["resource"] for entry in answer.json().get("entry", ())]
    return [f"{one['resourceType']}/{one['id']}" for one in found]


@pytest.fixture(scope="module")
async def sent(service: RunningService) -> Resource:
    """A referral whose diagnosis rests on a result; another result of the patient goes nowhere."""
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    result = await created(station, observation(who["id"]))
    await created(station, observation(who["id"]))
    about = {"subject": {"reference": f"Patient/{who['id']}"}}
    evidence = [{"detail": [{"reference": f"Observation/{result['id']}"}]}]
    diagnosis = await created(station, {"resourceType": "Condition", "evidence": evidence} | about)
    asked = await created(
        station,
        request(who["id"], KIEN_AN, reasonReference=[{"reference": f"Condition/{diagnosis['id']}"}]),
    )
    return {
        "address": f"ServiceRequest/{asked['id']}",
        "package": [
            f"Patient/{who['id']}",
            f"Condition/{diagnosis['id']}",
            f"Observation/{result['id']}",
        ],
    }


async def test_the_referral_comes_first_then_the_patient_and_the_package(
    service: RunningService, sent: Resource
) -> None:
    for facility in (LE_CHAN, KIEN_AN):
        system = await service.system(facility)
        answer = await system.get(f"{sent['address']}/$everything")
        assert names(answer) == [sent["address"], *sent["package"]]
        assert answer.json()["type"] == "searchset"
        modes = [entry["search"]["mode"] for entry in answer.json()["entry"]]
        assert modes == ["match", "include", "include", "include"]
        assert [one["relation"] for one in answer.json()["link"]] == ["self"]


async def test_who_sees_the_request_alone_gets_it_alone(service: RunningService, sent: Resource) -> None:
    office = await service.system(OFFICE)
    assert names(await office.get(f"{sent['address']}/$everything")) == [sent["address"]]


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_it_comes_in_pages(service: RunningService, sent: Resource, count: int) -> None:
    hospital = await service.system(KIEN_AN)
    address, told = f"{sent['address']}/$everything?_count={count}", []
    while address:
        answer = await hospital.get(address)
        assert len(names(answer)) <= count
        told += names(answer)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        address = links.get("next", "").removeprefix(f"{service.fhir}/")
    assert told == [sent["address"], *sent["package"]]


async def test_a_rejected_offer_leaves_the_request(service: RunningService) -> None:
    case = await offered(service)
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    address = f"ServiceRequest/{case.request['id']}"
    assert names(await case.receiver.get(f"{address}/$everything")) == [address]


async def test_what_a_page_is_asked_by_is_checked(service: RunningService, sent: Resource) -> None:
    system = await service.system(LE_CHAN)
    for query in ("_count=0", "_count=x", "_cursor=x", "_cursor=WyJfcGFja2FnZSIsIngiLCJhIl0", "color=red"):
        answer = await system.get(f"{sent['address']}/$everything?{query}")
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid"), query
    twice = await system.get(f"{sent['address']}/$everything?_count=1&_count=2")
    assert twice.status_code == 400
    lenient = {"Prefer": "handling=lenient"}
    assert (await system.get(f"{sent['address']}/$everything?color=red", headers=lenient)).status_code == 200


async def test_what_is_deleted_is_gone(service: RunningService) -> None:
    system = await service.system(LE_CHAN)
    who = await created(system, patient())
    order = {"resourceType": "ServiceRequest", "status": "active", "intent": "plan"}
    plain = await created(system, order | {"subject": {"reference": f"Patient/{who['id']}"}})
    address = f"ServiceRequest/{plain['id']}"
    assert names(await system.get(f"{address}/$everything")) == [address, f"Patient/{who['id']}"]
    assert (await system.delete(address)).status_code == 204
    assert (await system.get(f"{address}/$everything")).status_code == 410


async def test_what_a_package_resource_is_linked_to_later_goes_with_it_and_ends_with_it(
    service: RunningService,
) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    about = {"subject": {"reference": f"Patient/{who['id']}"}}
    report = await created(
        station,
        {"resourceType": "DiagnosticReport", "status": "partial", "code": {"text": "Blood count"}} | about,
    )
    address = f"DiagnosticReport/{report['id']}"
    case = await offered(service, supportingInfo=[{"reference": address}], subject=about["subject"])
    result, part = [await created(station, observation(who["id"])) for _ in range(2)]
    elsewhere = await created(station, observation((await created(station, patient()))["id"]))
    for seen in (result, part, elsewhere):
        assert (await case.receiver.get(f"Observation/{seen['id']}")).status_code == 404
    members = {"hasMember": [{"reference": f"Observation/{part['id']}"}]}
    await station.put(f"Observation/{result['id']}", json=result | members)
    results = [{"reference": f"Observation/{one['id']}"} for one in (result, elsewhere)]
    answer = await station.put(address, json=report | {"status": "final", "result": results})
    assert answer.status_code == 200, answer.text
    everything = f"ServiceRequest/{case.request['id']}/$everything"
    expected = {f"Observation/{one['id']}" for one in (result, part)} | {address}
    assert set(names(await case.receiver.get(everything))[2:]) == expected
    # Of another patient: it stays where it is.
    assert (await case.receiver.get(f"Observation/{elsewhere['id']}")).status_code == 404
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    for seen in (result, part):
        assert (await case.receiver.get(f"Observation/{seen['id']}")).status_code == 404
