"""A referral up and down with a client library that vendors use, and nobody here wrote.

The SMART client for Python (https://github.com/smart-on-fhir/client-py). It reads every answer into models of
R4 and refuses an element that they do not have. It cannot name a version in `If-Match`: it moves by a Bundle.
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from fhirclient.models.bundle import Bundle
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.organization import Organization
from fhirclient.models.patient import Patient
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task, TaskOutput
from fhirclient.server import FHIRServer

from referral.actions.add_client import add_client, generate_keys
from referral.cli.demo_system import token_form
from tests.factories import KIEN_AN, LE_CHAN, patient, request
from tests.running_service import RunningService

Resource = dict[str, Any]


@dataclass
class Ehr:
    """The system of one facility, which knows the address of the hub and has a key."""

    facility: str
    base: str
    client_id: str
    private_jwk: Resource
    server: FHIRServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = FHIRServer(None, base_uri=self.base)

    def sign_in(self) -> None:
        """SMART Backend Services, which the library leaves to its caller."""
        endpoint = httpx.get(f"{self.base}/.well-known/smart-configuration").json()["token_endpoint"]
        answer = httpx.post(endpoint, data=token_form(self.client_id, self.private_jwk, endpoint))
        self.server.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def offers(self, **asked: str) -> list[Task]:
        """Those put to this facility, over all pages."""
        search = Task.where({"owner": f"Organization/{self.facility}", "_count": "1", **asked})
        return list(search.perform_resources_iter(self.server))

    def move(self, task: Task, *before: tuple[str, Resource]) -> Task:
        """Send an offer as it stands in the hand, after what it names, and give it as it is then."""
        entries = [
            {"fullUrl": url, "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
            for url, one in before
        ]
        asked = {"method": "PUT", "url": task.relativePath(), "ifMatch": f'W/"{task.meta.versionId}"'}
        sent = Bundle(
            {"type": "transaction", "entry": [*entries, {"resource": task.as_json(), "request": asked}]}
        )
        answer = Bundle(self.server.post_json("", sent.as_json()).json())
        moved: Task = answer.entry[-1].resource
        return moved


async def ehr(service: RunningService, facility: str) -> Ehr:
    private, public = generate_keys()
    client = await add_client(
        service.store,
        client_id=None,
        facility=facility,
        name=f"Library of {facility}",
        scope="system/*.cruds",
        jwks={"keys": [public]},
        now=datetime.now(UTC),
    )
    return Ehr(facility, service.fhir, client.id, dict(private))


def output(name: str, code: str) -> TaskOutput:
    value = {"coding": [{"code": code}]}
    return TaskOutput({"type": {"coding": [{"code": name}]}, "valueCodeableConcept": value})


def business(task: Task) -> str:
    return str(task.businessStatus.coding[0].code)


def up_and_down(station: Ehr, hospital: Ehr, who: Resource) -> None:
    """What both systems do, each call as their makers would write it."""
    station.sign_in()
    hospital.sign_in()
    assert station.server.capabilityStatement.fhirVersion == "4.0.1"

    patient_id = Patient(who).create(station.server)["id"]
    number = "{system}|{value}".format(**who["identifier"][0])
    (found,) = Patient.where({"identifier": number}).perform_resources_iter(station.server)
    assert found.id == patient_id
    asked = ServiceRequest(request(patient_id, KIEN_AN)).create(station.server)
    referral = ServiceRequest.read(asked["id"], station.server)
    assert referral.performer[0].resolved(Organization).name

    (task,) = hospital.offers(focus=f"ServiceRequest/{referral.id}", status="requested")
    seen = task.focus.resolved(ServiceRequest).subject.resolved(Patient)
    assert seen.birthDate.isostring == who["birthDate"]
    for status in ("accepted", "in-progress"):
        task.status = status
        task = hospital.move(task)
        task.origin_server = hospital.server
    assert business(task) == "arrived"

    url = f"urn:uuid:{uuid.uuid4()}"
    summary = {"type": {"coding": [{"code": "summary"}]}, "valueReference": {"reference": url}}
    task.status = "completed"
    task.output = [
        output("outcome", "improved"),
        output("disposition", "returned-to-referrer"),
        TaskOutput(summary),
    ]
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient_id}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "TGVucyByZXBsYWNlZC4="}}],
    }
    assert hospital.move(task, (url, document)).status == "completed"

    task = Task.read(task.id, station.server)
    (summary_of,) = [one.valueReference for one in task.output if one.valueReference]
    # Before it is read, which closes too.
    task.businessStatus.coding[0].code = "closed"
    assert business(station.move(task)) == "closed"
    assert summary_of.resolved(DocumentReference).content[0].attachment.contentType == "text/plain"

    (down,) = station.offers(patient=patient_id, status="requested")
    assert down.focus.resolved(ServiceRequest).basedOn[0].reference == f"ServiceRequest/{referral.id}"
    down.status = "accepted"
    assert business(station.move(down)) == "accepted"


async def test_a_patient_goes_up_and_comes_back_with_the_smart_client(service: RunningService) -> None:
    station, hospital = await ehr(service, LE_CHAN), await ehr(service, KIEN_AN)
    with station.server.session, hospital.server.session:
        await asyncio.to_thread(up_and_down, station, hospital, patient())
