"""What systems of published referral guides send, one message after the other, and what they get here.

Each step is sent as its guide has it; where that is refused, with what docs/integrating.md says to add. The
guides: HL7 Clinical Order Workflows (http://hl7.org/fhir/uv/cow/2025May), Gravity SDOH Clinical Care
(http://hl7.org/fhir/us/sdoh-clinicalcare), HL7 BSeR (http://hl7.org/fhir/us/bser).
"""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.legal_path import check_path
from tests.api.refusals import refused
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    B,
    Resource,
    business,
    completion,
    created,
    patient,
    summary,
    summary_in_parts,
)
from tests.running_service import RunningService

COW = "http://hl7.org/fhir/uv/cow/CodeSystem/business-status"
GRAVITY = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"
BSER = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"
OURS, OUTPUT = f"{B}/CodeSystem/offer-status", f"{B}/CodeSystem/task-output"
SNOMED, TASK_CODE = "http://snomed.info/sct", "http://hl7.org/fhir/CodeSystem/task-code"
REASON_URL = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
PLACER, FULFILLER = ({"reference": f"Organization/{name}"} for name in (LE_CHAN, KIEN_AN))
RECOVERED = {"text": "The patient has recovered"}


def coded(*codings: tuple[str, str]) -> Resource:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


REFERRAL = coded((SNOMED, "3457005"))


@dataclass(frozen=True, slots=True)
class Ehr:
    """One system: it sends what it has, changed, and as a change of what it last read."""

    http: httpx.AsyncClient

    async def read(self, address: str) -> Resource:
        answer = await self.http.get(address)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tries(self, resource: Resource, **change: Any) -> httpx.Response:
        address = f"{resource['resourceType']}/{resource['id']}"
        newest = await self.read(address)
        headers = {"If-Match": f'W/"{newest["meta"]["versionId"]}"'}
        return await self.http.put(address, json=newest | change, headers=headers)

    async def says(self, resource: Resource, **change: Any) -> Resource:
        answer = await self.tries(resource, **change)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def posts(self, resource: Resource) -> Resource:
        return await created(self.http, resource)


@dataclass(frozen=True, slots=True)
class Order:
    """What a placer has sent."""

    patient: Resource
    request: Resource
    task: Resource

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.patient['id']}"}

    @property
    def about(self) -> Resource:
        return {"reference": f"ServiceRequest/{self.request['id']}"}

    @property
    def coordination(self) -> Resource:
        return {"reference": f"Task/{self.task['id']}"}


@pytest.fixture
async def placer(service: RunningService) -> Ehr:
    return Ehr(await service.system(LE_CHAN))


@pytest.fixture
async def fulfiller(service: RunningService) -> Ehr:
    return Ehr(await service.system(KIEN_AN))


async def ordered(placer: Ehr, *categories: Resource, task: Resource | None = None, **request: Any) -> Order:
    """ServiceRequest and Task, one after the other, each with all that the guides have in it."""
    who = request.pop("who", None) or await placer.posts(patient())
    subject = {"reference": f"Patient/{who['id']}"}
    asked = await placer.posts(
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "category": [REFERRAL, *categories],
            "code": coded((SNOMED, "103696004")),
            "subject": subject,
            "authoredOn": "2026-11-20",
            "requester": PLACER,
        }
        | request
    )
    offer = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": coded((TASK_CODE, "fulfill")),
        "focus": {"reference": f"ServiceRequest/{asked['id']}"},
        "for": subject,
        "requester": PLACER,
        "owner": FULFILLER,
        "authoredOn": "2026-11-20T10:00:00Z",
    }
    return Order(who, asked, await placer.posts(offer | (task or {})))


def report(order: Order) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "code": {"text": "Radiography"},
        "subject": order.subject,
        "basedOn": [order.about],
    }


def abort(order: Order, **about: Any) -> Resource:
    code = coded((TASK_CODE, "abort"))
    first = {"resourceType": "Task", "status": "requested", "intent": "order", "code": code}
    return first | {"reasonCode": RECOVERED} | about


async def revoke(placer: Ehr, order: Order) -> httpx.Response:
    """As a guide has it, and with the reason that is asked for here."""
    bare = await placer.tries(order.request, status="revoked")
    assert bare.status_code in {409, 422}, bare.text
    why = {"url": REASON_URL, "valueCodeableConcept": RECOVERED}
    kept = (await placer.read(f"ServiceRequest/{order.request['id']}")).get("extension", [])
    return await placer.tries(order.request, status="revoked", extension=[*kept, why])


async def test_cow_from_the_order_to_its_outputs(service: RunningService, placer: Ehr, fulfiller: Ehr):
    order = await ordered(placer)
    # The fulfiller lacks something. Its words would mean nothing by a code of the guide alone.
    asks = {"status": "received", "statusReason": {"text": "Which medicines does she take?"}}
    guide = (COW, "awaiting-information")
    bare = await fulfiller.tries(order.task, businessStatus=coded(guide), **asks)
    refused(bare, 400, "code-invalid", "Task.businessStatus")
    both = coded(guide, (OURS, "awaiting-information"))
    task = await fulfiller.says(order.task, businessStatus=both, **asks)
    assert (task["status"], business(task)) == ("received", "awaiting-information")
    thread = await placer.read(f"Communication?part-of=Task/{task['id']}")
    question = thread["entry"][0]["resource"]
    assert question["payload"] == [{"contentString": "Which medicines does she take?"}]
    letter = {
        "resourceType": "Communication",
        "status": "completed",
        "basedOn": [order.about],
        "partOf": [order.coordination],
        "inResponseTo": [{"reference": f"Communication/{question['id']}"}],
        "sender": PLACER,
        "recipient": [FULFILLER],
        "payload": [{"contentString": "None"}],
    }
    await placer.posts(letter)
    assert business(await fulfiller.read(f"Task/{task['id']}")) == "received"
    task = await fulfiller.says(order.task, status="accepted", businessStatus=coded((COW, "visit-scheduled")))
    assert business(task) == "accepted"
    task = await fulfiller.says(order.task, status="in-progress", businessStatus={"text": "Patient is here"})
    assert business(task) == "arrived"
    # A first result: its output goes to the placer by our type beside the guide's.
    first = await fulfiller.posts(report(order))
    reference = {"reference": f"DiagnosticReport/{first['id']}"}
    preliminary = {"status": "in-progress", "businessStatus": coded((COW, "preliminary-outcome"))}
    await fulfiller.says(
        order.task, **preliminary, output=[{"type": {"text": "Report"}, "valueReference": reference}]
    )
    assert (await placer.http.get(reference["reference"])).status_code == 404
    typed = {"type": coded((OUTPUT, "preliminary")) | {"text": "Report"}, "valueReference": reference}
    await fulfiller.says(order.task, **preliminary, output=[typed])
    assert (await placer.read(reference["reference"]))["id"] == first["id"]
    # The end needs to say how it ended.
    letter = await fulfiller.posts(summary(order.patient["id"]))
    outputs = [
        {"type": {"text": "Letter"}, "valueReference": {"reference": f"DocumentReference/{letter['id']}"}}
    ]
    bare = await fulfiller.tries(order.task, status="completed", output=outputs)
    refused(bare, 422, "required", "Task.output")
    task = await fulfiller.says(order.task, status="completed", output=completion(letter["id"]))
    assert business(task) == "completed"
    # The hub has completed the order already.
    assert (await placer.says(order.request, status="completed"))["status"] == "completed"
    await check_path(service, order.request["id"])


async def test_cow_when_it_comes_to_nothing(service: RunningService, placer: Ehr, fulfiller: Ehr):
    order = await ordered(placer)
    refused(await fulfiller.tries(order.task, status="rejected"), 422, "required", "Task.statusReason.text")
    await fulfiller.says(order.task, status="rejected", statusReason={"text": "No bed"})
    assert (await placer.read(f"ServiceRequest/{order.request['id']}"))["status"] == "active"
    # A fulfiller that had accepted and cannot: before the patient has come it says rejected, not failed.
    order = await ordered(placer)
    await fulfiller.says(order.task, status="accepted")
    unable = {"text": "The bed is not free"}
    refused(await fulfiller.tries(order.task, status="failed", statusReason=unable), 409, "conflict")
    await fulfiller.says(order.task, status="rejected", statusReason=unable)
    assert (await placer.read(f"ServiceRequest/{order.request['id']}"))["status"] == "active"
    # A placer that cancels before: the order is revoked, and its Task cancelled by the hub.
    order = await ordered(placer)
    await fulfiller.says(order.task, status="accepted")
    assert (await revoke(placer, order)).status_code == 200
    assert (await fulfiller.read(f"Task/{order.task['id']}"))["status"] == "cancelled"
    assert (await placer.says(order.task, status="cancelled"))["status"] == "cancelled"
    await check_path(service, order.request["id"])


async def test_cow_when_care_is_to_stop(service: RunningService, placer: Ehr, fulfiller: Ehr):
    order = await ordered(placer)
    named = {"type": {"text": "Task"}, "valueReference": order.coordination}
    early = await placer.http.post("Task", json=abort(order, input=[named]))
    refused(early, 409, "conflict")
    await fulfiller.says(order.task, status="in-progress")
    # The request follows what the fulfiller answers.
    assert (await revoke(placer, order)).status_code == 409
    wrong = {"type": {"text": "Task"}, "valueReference": {"reference": "Task/none"}}
    answer = await placer.http.post("Task", json=abort(order, input=[wrong]))
    refused(answer, 422, "business-rule", "Task.input[0].valueReference")
    # Named as an input, as the guide has it, not as the focus.
    wish = await placer.posts(abort(order, input=[{"type": {"text": "Note"}, "valueString": "x"}, named]))
    assert wish["focus"] == order.coordination
    assert (await fulfiller.read(f"Task/{wish['id']}"))["owner"] == FULFILLER
    await fulfiller.says(wish, status="accepted")
    assert (await placer.read(f"Task/{order.task['id']}"))["status"] == "failed"
    assert (await placer.read(f"Task/{wish['id']}"))["status"] == "completed"
    assert (await placer.read(f"ServiceRequest/{order.request['id']}"))["status"] == "revoked"
    await check_path(service, order.request["id"])


async def test_cow_asks_several_for_an_offer_and_nobody_is_asked(placer: Ehr, fulfiller: Ehr):
    bid = coded(("http://hl7.org/fhir/uv/cow/CodeSystem/cow-task-code", "request-fulfillment"))
    order = await ordered(placer, task={"code": bid})
    assert "businessStatus" not in order.task
    assert (await fulfiller.http.get(f"Task/{order.task['id']}")).status_code == 404
    unowned = {name: value for name, value in order.task.items() if name not in {"owner", "id", "meta"}}
    unowned["code"] = coded((TASK_CODE, "fulfill"))
    refused(await placer.http.post("Task", json=unowned), 422, "required", "Task.owner")


async def test_gravity_from_the_task_to_the_procedures(service: RunningService, placer: Ehr, fulfiller: Ehr):
    who = await placer.posts(patient())
    subject = {"reference": f"Patient/{who['id']}"}
    condition = await placer.posts(
        {"resourceType": "Condition", "code": coded((SNOMED, "733423003")), "subject": subject}
    )
    consent = await placer.posts(
        {
            "resourceType": "Consent",
            "status": "active",
            "scope": coded(("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")),
            "category": [coded(("http://loinc.org", "59284-0"))],
            "patient": subject,
            "policy": [{"uri": "https://example.org/policy"}],
        }
    )
    brings = {
        "reasonReference": [{"reference": f"Condition/{condition['id']}"}],
        "supportingInfo": [{"reference": f"Consent/{consent['id']}"}],
    }
    order = await ordered(placer, coded((GRAVITY, "food-insecurity")), who=who, **brings)
    # The organization polls, and reads what the Task leads to.
    found = await fulfiller.read(
        f"Task?owner=Organization/{KIEN_AN}&_lastUpdated=gt2026-01-01T00:00:00Z&_id={order.task['id']}"
        "&_include=Task:focus"
    )
    assert [one["resource"]["id"] for one in found["entry"]] == [order.task["id"], order.request["id"]]
    assert "entry" not in await fulfiller.read("Task?owner:missing=true&status=requested")
    for name in (condition, consent, who):
        await fulfiller.read(f"{name['resourceType']}/{name['id']}")
    # That it was delivered is not the requester's to say: the hub has it.
    refused(await placer.tries(order.task, status="received"), 409, "conflict")
    await fulfiller.says(order.task, status="accepted")
    await fulfiller.says(order.task, status="in-progress")
    procedure = await fulfiller.posts(
        {
            "resourceType": "Procedure",
            "status": "completed",
            "code": coded((SNOMED, "710925007")),
            "subject": subject,
            "performedDateTime": "2026-11-21",
            "basedOn": [order.about],
        }
    )
    done = {"reference": f"Procedure/{procedure['id']}"}
    guide = (GRAVITY, "resulting-activity")
    outputs = [
        {"type": coded(guide), "valueReference": done},
        {"type": coded(guide), "valueCodeableConcept": coded((SNOMED, "710925007"))},
    ]
    bare = await fulfiller.tries(order.task, status="completed", output=outputs)
    refused(bare, 422, "required", "Task.output")
    outputs[0]["type"] = coded(guide, (OUTPUT, "preliminary"))
    letter = await fulfiller.posts(summary(who["id"]))
    ended = [*outputs, *completion(letter["id"])]
    await fulfiller.says(order.task, status="completed", output=ended)
    task = await placer.read(f"Task/{order.task['id']}")
    assert task["output"][:2] == outputs
    assert (await placer.read(done["reference"]))["id"] == procedure["id"]
    assert (await placer.says(order.request, status="completed"))["status"] == "completed"
    await check_path(service, order.request["id"])


async def test_gravity_when_one_side_cancels(placer: Ehr, fulfiller: Ehr):
    order = await ordered(placer)
    why = {"text": "The pantry is closed"}
    refused(await fulfiller.tries(order.task, status="cancelled", statusReason=why), 409, "conflict")
    await fulfiller.says(order.task, status="rejected", statusReason=why)
    order = await ordered(placer)
    await placer.says(order.task, status="cancelled", statusReason=RECOVERED)
    # Another is asked, or the request is revoked, too.
    assert (await placer.read(f"ServiceRequest/{order.request['id']}"))["status"] == "active"
    assert (await revoke(placer, order)).status_code == 200


async def test_bser_from_the_notice_to_the_feedback(service: RunningService, placer: Ehr, fulfiller: Ehr):
    role = await fulfiller.posts({"resourceType": "PractitionerRole", "organization": FULFILLER})
    recipient = {"reference": f"PractitionerRole/{role['id']}"}
    notice = {"businessStatus": coded((BSER, "2.0")), "owner": recipient}
    order = await ordered(placer, task=notice, code=REFERRAL)
    assert business(order.task) == "requested"
    task = await fulfiller.says(order.task, status="accepted", businessStatus=coded((BSER, "3.0")))
    assert business(task) == "accepted"
    task = await fulfiller.says(order.task, status="in-progress", businessStatus=coded((BSER, "5.x")))
    assert business(task) == "arrived"
    # The document of the feedback, as a Composition and not as a Bundle.
    feedback = await fulfiller.posts(summary_in_parts(order.patient["id"]))
    output = {"valueReference": {"reference": f"Composition/{feedback['id']}"}}
    ended = {"status": "completed", "businessStatus": coded((BSER, "7.0"))}
    bare = await fulfiller.tries(order.task, **ended, output=[{"type": {"text": "Feedback"}, **output}])
    refused(bare, 422, "required", "Task.output")
    given = [{"type": coded((OUTPUT, "summary")) | {"text": "Feedback"}, **output}, *completion(None)]
    task = await fulfiller.says(order.task, **ended, output=given)
    assert business(task) == "completed"
    assert (await placer.read(f"Composition/{feedback['id']}"))["id"] == feedback["id"]
    # A decline, and a cancellation that the initiator asks for.
    order = await ordered(placer, task=notice, code=REFERRAL)
    declined = {"status": "rejected", "businessStatus": coded((BSER, "4.0"))}
    await fulfiller.says(order.task, **declined, statusReason={"text": "No such programme"})
    order = await ordered(placer, task=notice, code=REFERRAL)
    taken_back = {"status": "cancelled", "businessStatus": coded((BSER, "5.4"))}
    task = await placer.says(order.task, **taken_back, statusReason=RECOVERED)
    assert business(task) == "withdrawn"
    await check_path(service, order.request["id"])
