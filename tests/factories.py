"""Resources as systems send them, and states reached by legal moves. All people are invented."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx

from tests.running_service import RunningService

B = "http://referral.example/fhir"
LE_CHAN, CAT_HAI = "le-chan-health-station", "cat-hai-health-station"
KIEN_AN, AN_LAO, VIET_TIEP = "kien-an-hospital", "an-lao-medical-centre", "viet-tiep-friendship-hospital"
OFFICE = "hai-phong-network"
APPENDICECTOMY = "27.0187.2039"

_numbers = itertools.count(1)

Resource = dict[str, Any]


def patient(**more: Any) -> Resource:
    """A Patient with an identifier of its own."""
    number = next(_numbers)
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:test:patient", "value": f"P{number:06d}"}],
        "name": [{"family": "Trần", "given": ["Thị", f"Mẫu {number}"]}],
        "gender": "female",
        "birthDate": "1961-05-04",
    } | more


def request(patient_id: str, *performers: str, **more: Any) -> Resource:
    """A referral of this patient, submitted, to these facilities."""
    found: Resource = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": f"{B}/CodeSystem/referral-kind", "code": "referral"}]}],
        "priority": "urgent",
        "code": {
            "coding": [{"system": f"{B}/CodeSystem/technique-qd4440-2020", "code": APPENDICECTOMY}],
            "text": "Laparoscopic appendicectomy",
        },
        "subject": {"reference": f"Patient/{patient_id}"},
        "performer": [{"reference": f"Organization/{performer}"} for performer in performers],
    }
    if not performers:
        del found["performer"]
    return found | more


def offer(request_id: str, owner: str, **more: Any) -> Resource:
    """The Task that puts a referral to a facility."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": f"ServiceRequest/{request_id}"},
        "owner": {"reference": f"Organization/{owner}"},
    } | more


def observation(patient_id: str, **more: Any) -> Resource:
    """A body temperature, with a decimal whose digits matter."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "valueQuantity": {"value": 38.5, "unit": "Cel"},
    } | more


def summary(patient_id: str, **more: Any) -> Resource:
    """What a hospital writes when care ends."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "UmVjb3ZlcmVk"}}],
    } | more


def summary_in_parts(patient_id: str, **more: Any) -> Resource:
    """The same as a document in its parts, with what is to be done in the community."""
    told = {
        "diagnosis": "Appendicitis",
        "done": "Appendix removed",
        "medicines": "Paracetamol when in pain",
        "community": "Dress the wound; send back when it is red or she has a fever",
        "next-visit": "In a week, at the station",
    }
    return {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "date": "2026-03-02T10:00:00+07:00",
        "author": [{"display": "Dr. Mẫu"}],
        "title": "Summary for the station",
        "section": [
            {
                "code": {"coding": [{"system": f"{B}/CodeSystem/summary-section", "code": code}]},
                "text": _div(text),
            }
            for code, text in told.items()
        ],
    } | more


def _div(text: str) -> Resource:
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def output(code: str, **value: Any) -> Resource:
    """One Task.output of ours; the code alone is understood."""
    return {"type": {"coding": [{"code": code}]}, **value}


def completion(
    summary_id: str | None, disposition: str = "discharged", outcome: str = "improved"
) -> list[Resource]:
    """The outputs of a completed offer."""
    parts = [
        output("outcome", valueCodeableConcept={"coding": [{"code": outcome}]}),
        output("disposition", valueCodeableConcept={"coding": [{"code": disposition}]}),
    ]
    if summary_id:
        parts.append(output("summary", valueReference={"reference": f"DocumentReference/{summary_id}"}))
    return parts


def version(answer: httpx.Response) -> str:
    """The ETag of an answer, to be sent as If-Match."""
    return answer.headers["ETag"]


def extension(resource: Resource, name: str) -> Resource | None:
    """One of our extensions."""
    url = f"{B}/StructureDefinition/{name}"
    return next((found for found in resource.get("extension", []) if found["url"] == url), None)


def business(task: Resource) -> str:
    """The code of an offer's business status."""
    return str(task["businessStatus"]["coding"][0]["code"])


async def created(client: httpx.AsyncClient, resource: Resource) -> Resource:
    """The resource as stored; fails unless it was created."""
    answer = await client.post(resource["resourceType"], json=resource)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@dataclass(slots=True)
class Case:
    """One referral under way: the systems of its sender and receiver, and its resources by id."""

    sender: httpx.AsyncClient
    receiver: httpx.AsyncClient
    receiver_id: str
    patient: Resource
    request: Resource
    offer_id: str

    async def task(self, client: httpx.AsyncClient | None = None) -> Resource:
        """The offer as it stands."""
        answer = await (client or self.sender).get(f"Task/{self.offer_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def referral(self) -> Resource:
        """The referral as it stands."""
        answer = await self.sender.get(f"ServiceRequest/{self.request['id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def move(self, client: httpx.AsyncClient, status: str, **more: Any) -> httpx.Response:
        """Send the Task with another status, as the newest version allows."""
        task = await self.task(client)
        if_match = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
        changed = task | {"status": status} | more
        return await client.put(f"Task/{self.offer_id}", json=changed, headers=if_match)

    async def moved(self, client: httpx.AsyncClient, status: str, **more: Any) -> Resource:
        """Like `move`; fails unless it was taken."""
        answer = await self.move(client, status, **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


async def offered(
    service: RunningService, sender: str = LE_CHAN, receiver: str = KIEN_AN, **more: Any
) -> Case:
    """A referral with one performer, which the hub has offered by itself."""
    station, hospital = await service.system(sender), await service.system(receiver)
    who = await created(station, patient())
    asked = await created(station, request(who["id"], receiver, **more))
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    assert found.status_code == 200, found.text
    (entry,) = found.json()["entry"]
    return Case(station, hospital, receiver, who, asked, entry["resource"]["id"])


async def rejected(service: RunningService) -> tuple[Case, Resource]:
    """A referral that was rejected, and an Observation of its package, which the receiver saw until then."""
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    seen = await created(station, observation(who["id"]))
    named = {"supportingInfo": [{"reference": f"Observation/{seen['id']}"}]}
    asked = await created(station, request(who["id"], KIEN_AN, **named))
    hospital = await service.system(KIEN_AN)
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    case = Case(station, hospital, KIEN_AN, who, asked, found.json()["entry"][0]["resource"]["id"])
    assert (await hospital.get(f"Observation/{seen['id']}")).status_code == 200
    await case.moved(hospital, "rejected", statusReason={"text": "No bed"})
    return case, seen


async def arrived(service: RunningService, **more: Any) -> Case:
    """A referral whose patient is at the receiver."""
    case = await offered(service, **more)
    await case.moved(case.receiver, "accepted")
    await case.moved(case.receiver, "in-progress")
    return case


async def completed(service: RunningService, disposition: str = "discharged") -> Case:
    """A referral whose care has ended, with a summary."""
    case = await arrived(service)
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"], disposition))
    return case
