"""A tombstone in the place of a resource: https://hl7.org/fhir/R4/http.html#delete"""

from typing import Any

import httpx
import pytest

from tests.api.audited import audited, named
from tests.api.refusals import outcome, refused, rows
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Resource,
    completed,
    created,
    observation,
    offered,
    patient,
    rejected,
    request,
)
from tests.running_service import RunningService

PATCH = "application/json-patch+json"


async def found(client: httpx.AsyncClient, resource_type: str, **params: str) -> list[str]:
    answer = await client.get(resource_type, params=params)
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


async def test_what_is_deleted_is_gone_and_found_by_nothing(station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    address, number = f"Patient/{who['id']}", who["identifier"][0]["value"]
    assert await found(station, "Patient", identifier=number) == [who["id"]]
    answer = await station.delete(address)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", 'W/"2"')
    refused(await station.get(address), 410, "deleted")
    assert await found(station, "Patient", identifier=number) == []
    assert await found(station, "Patient", _id=who["id"]) == []
    change = {"op": "remove", "path": "/gender"}
    patch = await station.patch(address, json=[change], headers={"Content-Type": PATCH})
    refused(patch, 410, "deleted")
    named_by = observation(who["id"])
    refused(await station.post("Observation", json=named_by), 422, "business-rule", "Observation.subject")


async def test_what_is_deleted_is_brought_back_by_an_update(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    seen = await created(station, observation(who))
    address = f"Observation/{seen['id']}"
    await station.delete(address)
    for expected, status in (('W/"1"', 412), ('W/"2"', 201)):
        answer = await station.put(address, json=seen, headers={"If-Match": expected})
        assert answer.status_code == status, answer.text
    assert (answer.headers["etag"], answer.headers["location"][-11:]) == ('W/"3"', "/_history/3")
    assert (await station.get(address)).json()["valueQuantity"] == seen["valueQuantity"]
    assert await found(station, "Observation", subject=f"Patient/{who}") == [seen["id"]]
    assert (await station.put(address, json=seen)).status_code == 200
    await station.delete(address)
    # It stays about whom it was, also when it says nobody, and belongs to who wrote it.
    other = await created(station, patient())
    about = {"subject": {"reference": f"Patient/{other['id']}"}}
    refused(await station.put(address, json=seen | about), 422, "business-rule", "Observation.subject")
    nobody = {name: value for name, value in seen.items() if name != "subject"}
    refused(await station.put(address, json=nobody), 422, "business-rule", "Observation.subject")
    hospital = await service.system(KIEN_AN)
    refused(await hospital.put(address, json=seen), 404, "not-found")
    # Not without its patient, and with the patient.
    assert (await station.delete(f"Patient/{who}")).status_code == 204
    refused(await station.put(address, json=seen), 422, "business-rule", "Observation.subject")
    absent = {"If-None-Match": "*"}
    again = await station.put(f"Patient/{who}", json=patient(id=who), headers=absent)
    assert again.status_code == 201
    refused(await station.put(f"Patient/{who}", json=patient(id=who), headers=absent), 412, "conflict")
    assert (await station.put(address, json=seen, headers=absent)).status_code == 201


async def test_a_plain_request_that_is_deleted_does_not_come_back_as_a_referral(
    station: httpx.AsyncClient, who: str
) -> None:
    plain = {"status": "active", "intent": "plan", "subject": {"reference": f"Patient/{who}"}}
    made = await created(station, {"resourceType": "ServiceRequest"} | plain)
    address = f"ServiceRequest/{made['id']}"
    await station.delete(address)
    answer = await station.put(address, json=request(who, KIEN_AN, id=made["id"]))
    refused(answer, 405, "not-supported")
    assert (await station.put(address, json=made)).status_code == 201


async def test_deleting_again_deletes_nothing_more(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    who = await created(station, patient())
    await station.delete(f"Patient/{who['id']}")
    before = await rows(service)
    again = await station.delete(f"Patient/{who['id']}")
    assert (again.status_code, again.headers["etag"]) == (204, 'W/"2"')
    for nothing in ("Patient/nobody", "Observation/nobody", "ServiceRequest/nobody", "Organization/nobody"):
        absent = await station.delete(nothing)
        assert (absent.status_code, absent.content, "etag" in absent.headers) == (204, b"", False)
    assert await rows(service) == before


async def test_the_version_that_is_meant_is_deleted(station: httpx.AsyncClient, who: str) -> None:
    stale = await station.delete(f"Patient/{who}", headers={"If-Match": 'W/"2"'})
    refused(stale, 412, "conflict")
    refused(await station.delete("Patient/nobody", headers={"If-Match": 'W/"1"'}), 412, "conflict")
    refused(await station.delete(f"Patient/{who}", headers={"If-Match": "1"}), 400, "invalid")
    assert (await station.delete(f"Patient/{who}", headers={"If-Match": 'W/"1"'})).status_code == 204


async def test_what_was_done_is_told_where_that_is_preferred(station: httpx.AsyncClient, who: str) -> None:
    answer = await station.delete(f"Patient/{who}", headers={"Prefer": "return=OperationOutcome"})
    (issue,) = outcome(answer)
    assert (answer.status_code, issue["severity"]) == (200, "information")


async def test_sent_again_under_its_id_it_is_answered_again(station: httpx.AsyncClient, who: str) -> None:
    headers = {"X-Request-ID": f"delete-{who}"}
    first = await station.delete(f"Patient/{who}", headers=headers)
    second = await station.delete(f"Patient/{who}", headers=headers)
    assert (first.status_code, second.status_code, second.content) == (204, 204, b"")
    assert (second.headers["x-replayed"], second.headers["etag"]) == ("true", 'W/"2"')


async def test_a_delete_leaves_its_record(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    for version, address in ((2, who), (None, who), (None, "nobody")):
        headers = named()
        await station.delete(f"Patient/{address}", headers=headers)
        (record,) = await audited(service.store, headers)
        told = (record["action"], record["type"], record["id"], record["version"], record["patient"])
        # Of nobody there is nothing to be known.
        assert told == ("delete", "Patient", address, version, who if address == who else None)


async def test_only_who_wrote_it_deletes_it(service: RunningService) -> None:
    case = await offered(service)
    refused(await case.receiver.delete(f"Patient/{case.patient['id']}"), 403, "forbidden")
    limited = await service.system(LE_CHAN, "system/*.crus")
    refused(await limited.delete(f"Patient/{case.patient['id']}"), 403, "forbidden")


async def test_what_a_referral_rests_on_stays(service: RunningService) -> None:
    case, package = await rejected(service)
    sender = case.sender
    kept = [f"Patient/{case.patient['id']}", f"Observation/{package['id']}"]
    other = await created(sender, observation(case.patient["id"]))
    part = await created(sender, observation(case.patient["id"]))
    whole = observation(case.patient["id"], hasMember=[{"reference": f"Observation/{part['id']}"}])
    top = await created(sender, whole)
    named_by = {"supportingInfo": [{"reference": f"Observation/{top['id']}"}]}
    await created(sender, request(case.patient["id"], status="draft", **named_by))
    kept += [f"Observation/{part['id']}", f"Observation/{top['id']}"]
    before = await rows(service)
    for address in kept:
        refused(await sender.delete(address), 409, "conflict")
    assert await rows(service) == before
    assert (await sender.delete(f"Observation/{other['id']}")).status_code == 204


async def test_who_never_saw_it_keeps_nothing_by_naming_it(service: RunningService) -> None:
    station, other = await service.system(LE_CHAN), await service.system(KIEN_AN)
    seen = await created(station, observation((await created(station, patient()))["id"]))
    stranger = await created(other, patient())
    named = [{"reference": f"Observation/{seen['id']}"}]
    for more in ({"status": "draft"}, {}):
        await created(other, request(stranger["id"], VIET_TIEP, supportingInfo=named, **more))
    answer = await station.delete(f"Observation/{seen['id']}")
    assert answer.status_code == 204, answer.text


async def test_the_summary_and_what_was_said_stay(service: RunningService) -> None:
    case = await completed(service)
    task = await case.task()
    (summary,) = [part["valueReference"]["reference"] for part in task["output"] if "valueReference" in part]
    refused(await case.receiver.delete(summary), 409, "conflict")
    said = {
        "resourceType": "Communication",
        "status": "completed",
        "partOf": [{"reference": f"Task/{case.offer_id}"}],
    }
    spoken = await created(case.receiver, said)
    refused(await case.receiver.delete(f"Communication/{spoken['id']}"), 409, "conflict")


async def test_referrals_and_offers_are_never_deleted(service: RunningService) -> None:
    case = await offered(service)
    for address in (f"ServiceRequest/{case.request['id']}", f"Task/{case.offer_id}"):
        for headers in ({}, {"If-Match": 'W/"1"'}):
            answer = await case.sender.delete(address, headers=headers)
            issue = refused(answer, 405, "not-supported")
            assert "entered-in-error" in issue["diagnostics"]
            assert "DELETE" not in answer.headers["allow"]


async def test_plain_requests_and_tasks_are_deleted(station: httpx.AsyncClient, who: str) -> None:
    subject = {"reference": f"Patient/{who}"}
    plain: list[Resource] = [
        {"resourceType": "ServiceRequest", "status": "active", "intent": "plan", "subject": subject},
        {"resourceType": "Task", "status": "draft", "intent": "plan", "for": subject},
    ]
    for content in plain:
        made = await created(station, content)
        address = f"{made['resourceType']}/{made['id']}"
        assert (await station.delete(address)).status_code == 204
        refused(await station.get(address), 410, "deleted")


async def test_a_patient_goes_after_the_records(station: httpx.AsyncClient, who: str) -> None:
    seen = await created(station, observation(who))
    refused(await station.delete(f"Patient/{who}"), 409, "conflict")
    assert (await station.delete(f"Observation/{seen['id']}")).status_code == 204
    assert (await station.delete(f"Patient/{who}")).status_code == 204


async def test_what_happened_to_a_patient_keeps_no_patient(station: httpx.AsyncClient, who: str) -> None:
    told = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{who}"}],
        "recorded": "2026-03-01T08:00:00Z",
        "agent": [{"who": {"reference": f"Organization/{LE_CHAN}"}}],
    }
    made = await created(station, told)
    assert (await station.delete(f"Patient/{who}")).status_code == 204
    assert (await station.get(f"Provenance/{made['id']}")).json()["target"] == told["target"]


def place(owner: str, **more: Any) -> Resource:
    return {
        "resourceType": "Location",
        "name": "Ward 7",
        "managingOrganization": {"reference": f"Organization/{owner}"},
    } | more


async def test_the_directory_is_deleted_by_whose_it_is(service: RunningService) -> None:
    hospital, other = await service.system(KIEN_AN), await service.system(VIET_TIEP)
    office = await service.system(OFFICE)
    ward, theirs = await created(hospital, place(KIEN_AN)), await created(hospital, place(KIEN_AN))
    for one, client in ((ward, hospital), (theirs, office)):
        refused(await other.delete(f"Location/{one['id']}"), 403, "forbidden")
        assert (await client.delete(f"Location/{one['id']}")).status_code == 204
        refused(await other.get(f"Location/{one['id']}"), 410, "deleted")
    refused(await office.delete(f"Organization/{KIEN_AN}"), 409, "conflict")
    refused(await hospital.delete(f"Organization/{VIET_TIEP}"), 403, "forbidden")
    refused(await hospital.delete(f"Location/{KIEN_AN}"), 409, "conflict")


async def test_a_service_that_is_deleted_is_suggested_no_more(service: RunningService) -> None:
    hospital = await service.system(KIEN_AN)
    clinic = {
        "resourceType": "HealthcareService",
        "name": "Night clinic",
        "providedBy": {"reference": f"Organization/{KIEN_AN}"},
    }
    made = await created(hospital, clinic)
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    named_by = [{"reference": f"HealthcareService/{made['id']}"}]
    other = await created(hospital, clinic)
    await created(station, request(who["id"], performer=named_by))
    refused(await hospital.delete(f"HealthcareService/{made['id']}"), 409, "conflict")
    assert (await hospital.delete(f"HealthcareService/{other['id']}")).status_code == 204
    active = "SELECT active FROM service WHERE id = $1"
    async with service.store.reading(None) as connection:
        assert await connection.fetchval(active, other["id"]) is False
    assert (await hospital.put(f"HealthcareService/{other['id']}", json=other)).status_code == 201
    async with service.store.reading(None) as connection:
        assert await connection.fetchval(active, other["id"]) is True


async def test_a_tie_is_deleted_by_the_office_a_membership_is_ended(service: RunningService) -> None:
    office, hospital = await service.system(OFFICE), await service.system(KIEN_AN)
    kinds = "http://referral.example/fhir/CodeSystem/affiliation-kind"
    tie = {
        "resourceType": "OrganizationAffiliation",
        "network": [{"reference": f"Organization/{OFFICE}"}],
        "organization": {"reference": f"Organization/{LE_CHAN}"},
        "participatingOrganization": {"reference": f"Organization/{KIEN_AN}"},
        "code": [{"coding": [{"system": kinds, "code": "green-channel"}]}],
    }
    made = await created(office, tie)
    address = f"OrganizationAffiliation/{made['id']}"
    refused(await hospital.delete(address), 403, "forbidden")
    assert (await office.delete(address)).status_code == 204
    async with service.store.reading(None) as connection:
        left = await connection.fetchval("SELECT count(*) FROM affiliation WHERE document = $1", made["id"])
        member = await connection.fetchval("SELECT document FROM membership WHERE facility = $1", LE_CHAN)
    assert left == 0
    refused(await office.delete(f"OrganizationAffiliation/{member}"), 409, "conflict")


@pytest.mark.parametrize("name", ["x" * 65, "a b", "a_b"])
async def test_what_is_no_id_is_refused(station: httpx.AsyncClient, name: str) -> None:
    refused(await station.delete(f"Patient/{name}"), 400, "invalid", "id")
    refused(await station.delete("Banana/a"), 404, "not-supported")
