"""Every stored type: who writes it, who sees it, whom it is about, what goes along with a referral."""

import httpx
import pytest

from referral.domain.visibility import CLINICAL
from tests.api.records import place_of_patient, record, reference
from tests.factories import KIEN_AN, LE_CHAN, OFFICE, created, patient, request
from tests.running_service import RunningService

RECORDS = sorted(CLINICAL - {"Binary", "Patient"})


async def refused(answer: httpx.Response, status: int, expression: str) -> None:
    assert answer.status_code == status, answer.text
    assert [issue.get("expression") for issue in answer.json()["issue"]] == [[expression]]


async def hidden(client: httpx.AsyncClient, address: str) -> bool:
    return (await client.get(address)).status_code == 404


@pytest.mark.parametrize("resource_type", RECORDS)
async def test_a_record_is_its_author_s_and_about_a_patient_who_stays(
    service: RunningService, station: httpx.AsyncClient, who: str, resource_type: str
) -> None:
    stranger = await service.system(KIEN_AN)
    content = record(resource_type, who)
    place = place_of_patient(resource_type, content)
    stored = await created(station, content)
    address = f"{resource_type}/{stored['id']}"
    assert (await station.get(address)).json() == stored
    assert await hidden(stranger, address)
    for client, found in ((station, 1), (stranger, 0)):
        answer = await client.get(resource_type, params={"patient": f"Patient/{who}", "_summary": "count"})
        assert answer.json()["total"] == found

    await refused(await station.post(resource_type, json=record(resource_type, "nobody")), 422, place)
    await refused(await stranger.post(resource_type, json=content), 422, place)
    other = (await created(station, patient()))["id"]
    moved = await station.put(address, json=record(resource_type, other, id=stored["id"]))
    if resource_type == "Provenance":
        assert moved.status_code == 405
        assert (await station.put(address, json=stored)).status_code == 405
    else:
        await refused(moved, 422, place)
        assert (await station.put(address, json=stored)).status_code == 200


async def test_a_package_goes_on_to_what_its_parts_are_made_of(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    async def make(resource_type: str, **more: object) -> str:
        stored = await created(station, record(resource_type, who, **more))
        return f"{resource_type}/{stored['id']}"

    parts = {name: await make("Observation") for name in ("result", "entry", "nested", "evidence", "other")}
    parts |= {"specimen": await make("Specimen"), "images": await make("ImagingStudy")}
    parts |= {"holder": await make("RelatedPerson"), "form": await make("DocumentReference")}
    whole = [
        await make(
            "DiagnosticReport",
            result=[reference(parts["result"])],
            specimen=[reference(parts["specimen"])],
            imagingStudy=[reference(parts["images"])],
        ),
        await make(
            "Composition",
            section=[
                {
                    "title": "One",
                    "entry": [reference(parts["entry"])],
                    "section": [{"title": "Two", "entry": [reference(parts["nested"])]}],
                }
            ],
        ),
        await make("Condition", evidence=[{"detail": [reference(parts["evidence"])]}]),
        await make("Consent", sourceReference=reference(parts["form"])),
    ]
    coverage = await make("Coverage", policyHolder=reference(parts["holder"]))
    await created(
        station,
        request(who, KIEN_AN, supportingInfo=list(map(reference, whole)), insurance=[reference(coverage)]),
    )
    receiver = await service.system(KIEN_AN)
    unseen = {each for each in (*whole, coverage, *parts.values()) if await hidden(receiver, each)}
    assert unseen == {parts["other"]}


async def test_what_is_of_several_patients_is_in_no_package(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    other = (await created(station, patient()))["id"]
    both = [{"actor": reference(f"Patient/{each}"), "status": "accepted"} for each in (who, other)]
    joint = await created(station, record("Appointment", who, participant=both))
    alone = await created(station, record("Appointment", who))
    named = [reference(f"Appointment/{each['id']}") for each in (joint, alone)]
    await created(station, request(who, KIEN_AN, supportingInfo=named))
    receiver = await service.system(KIEN_AN)
    assert await hidden(receiver, f"Appointment/{joint['id']}")
    assert not await hidden(receiver, f"Appointment/{alone['id']}")


async def test_a_provenance_vouches_for_what_its_author_sees(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    observed = await created(station, record("Observation", who))
    target = [reference(f"Observation/{observed['id']}")]
    told = await created(station, record("Provenance", who, target=target))
    found = await station.get(
        "Observation", params={"_id": observed["id"], "_revinclude": "Provenance:target"}
    )
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [observed["id"], told["id"]]
    stranger = await service.system(KIEN_AN)
    answer = await stranger.post("Provenance", json=record("Provenance", who, target=target))
    await refused(answer, 422, "Provenance.target[0]")


async def test_a_report_about_no_patient_is_about_what_is_known(station: httpx.AsyncClient, who: str) -> None:
    place = (await station.get("Location?_count=1")).json()["entry"][0]["resource"]["id"]
    about = {"type": "summary", "subject": reference(f"Location/{place}")}
    await created(station, record("MeasureReport", who, **about))
    about["subject"] = reference("Location/nowhere")
    answer = await station.post("MeasureReport", json=record("MeasureReport", who, **about))
    await refused(answer, 422, "MeasureReport.subject")


def endpoint(**more: object) -> dict[str, object]:
    return {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "payloadType": [{"text": "any"}],
        "address": "https://ehr.example/fhir",
        **more,
    }


async def test_the_directory_has_endpoints_schedules_slots_and_forms(service: RunningService) -> None:
    owner, other, office = [await service.system(each) for each in (KIEN_AN, LE_CHAN, OFFICE)]
    mine = reference(f"Organization/{KIEN_AN}")
    clinic = await created(owner, {"resourceType": "HealthcareService", "providedBy": mine, "name": "Clinic"})
    actor = [reference(f"HealthcareService/{clinic['id']}")]
    schedule = await created(owner, {"resourceType": "Schedule", "actor": actor})
    times = {"start": "2026-04-01T08:00:00+07:00", "end": "2026-04-01T08:30:00+07:00"}
    slot = {"resourceType": "Slot", "schedule": reference(f"Schedule/{schedule['id']}"), "status": "free"}
    made = [
        schedule,
        await created(owner, slot | times),
        await created(owner, endpoint(managingOrganization=mine)),
        await created(owner, {"resourceType": "Questionnaire", "status": "active", "title": "Triage"}),
    ]
    for each in made:
        address = f"{each['resourceType']}/{each['id']}"
        assert (await other.get(address)).json() == each
        assert (await other.put(address, json=each)).status_code == 403
        assert (await office.put(address, json=each)).status_code == 200
        assert (await owner.put(address, json=each)).status_code == 200
    for content in (
        slot | times,
        {"resourceType": "Schedule", "actor": actor},
        endpoint(managingOrganization=mine),
    ):
        assert (await other.post(str(content["resourceType"]), json=content)).status_code == 403


async def test_a_schedule_is_of_the_house_that_writes_it_where_it_names_people_alone(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    office = await service.system(OFFICE)
    doctor = await created(office, {"resourceType": "Practitioner", "name": [{"family": "Mẫu"}]})
    actor = [reference(f"Practitioner/{doctor['id']}")]
    schedule = await created(station, {"resourceType": "Schedule", "actor": actor})
    address = f"Schedule/{schedule['id']}"
    assert (await (await service.system(KIEN_AN)).put(address, json=schedule)).status_code == 403


async def test_the_directory_names_no_patient(station: httpx.AsyncClient, who: str) -> None:
    kin = await created(station, record("RelatedPerson", who))
    for named in (f"Patient/{who}", f"RelatedPerson/{kin['id']}"):
        answer = await station.post(
            "Schedule", json={"resourceType": "Schedule", "actor": [reference(named)]}
        )
        await refused(answer, 422, "Schedule.actor[0]")
