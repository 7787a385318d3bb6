"""`$validate` tells what a write would meet, and writes nothing."""

from typing import Any

import httpx
import pytest

from tests.api.audited import audited, named
from tests.api.refusals import Issue, outcome, refused
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    B,
    Resource,
    created,
    observation,
    offer,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

EVERYTHING = patient(
    id="wrong",
    gender="f",
    birthdate="1961",
    contact=[{"relationship": [{"text": "mother"}]}],
    communication=[{"preferred": True}],
)
TOLD = [
    ("invalid", "Patient.birthdate"),
    ("code-invalid", "Patient.gender"),
    ("required", "Patient.communication[0].language"),
    ("business-rule", "Patient.contact[0]"),
]


def parameters(resource: Resource | None = None, **more: str) -> Resource:
    entries: list[Resource] = [] if resource is None else [{"name": "resource", "resource": resource}]
    if "mode" in more:
        entries.append({"name": "mode", "valueCode": more["mode"]})
    if "profile" in more:
        entries.append({"name": "profile", "valueUri": more["profile"]})
    return {"resourceType": "Parameters", "parameter": entries}


async def told(client: httpx.AsyncClient, address: str, content: Any = None, **headers: str) -> list[Issue]:
    """The issues of an answer that is never an error."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {} if content is None else {"json": content}
    answer = await client.post(address, headers=sent, **body)
    assert answer.status_code == 200, answer.text
    return outcome(answer)


def fine(issues: list[Issue]) -> bool:
    return [(issue["severity"], issue["code"]) for issue in issues] == [("information", "informational")]


def problems(issues: list[Issue]) -> list[tuple[str, str]]:
    assert {issue["severity"] for issue in issues} == {"error"}
    return [(issue["code"], issue.get("expression", [""])[0]) for issue in issues]


@pytest.mark.usefixtures("nothing_stored")
async def test_content_is_told_all_its_problems_by_each_door(station: httpx.AsyncClient, who: str) -> None:
    for address in ("Patient/$validate", f"Patient/{who}/$validate"):
        assert problems(await told(station, address, EVERYTHING)) == TOLD
        assert problems(await told(station, address, parameters(EVERYTHING))) == TOLD
        assert problems(await told(station, address, parameters(EVERYTHING, mode="create"))) == TOLD
        assert fine(await told(station, address, patient()))
        assert fine(await told(station, address, parameters(patient())))
    assert problems(await told(station, "Patient/$validate", observation(who))) == [
        ("invalid", "Patient.resourceType")
    ]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_bundle_is_looked_at_too(station: httpx.AsyncClient) -> None:
    bundle: Resource = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": EVERYTHING}]}
    below = [(code, path.replace("Patient", "Bundle.entry[0].resource", 1)) for code, path in TOLD]
    assert problems(await told(station, "Bundle/$validate", bundle)) == below
    bundle["entry"] = [{"resource": patient()}]
    issues = problems(await told(station, "Bundle/$validate", bundle))
    assert issues == [("business-rule", "Bundle.entry[0].request")]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_create_is_tried(station: httpx.AsyncClient, who: str) -> None:
    address = "ServiceRequest/$validate?mode=create"
    assert fine(await told(station, address, request(who, KIEN_AN)))
    assert problems(await told(station, address, request("nobody", KIEN_AN))) == [
        ("business-rule", "ServiceRequest.subject")
    ]
    assert problems(await told(station, address, request(who, status="completed"))) == [
        ("business-rule", "ServiceRequest.status")
    ]
    assert fine(await told(station, "ServiceRequest/$validate", request("nobody", KIEN_AN)))
    assert fine(await told(station, "Patient/$validate", parameters(patient(), mode="create")))


async def test_an_update_is_tried(service: RunningService, station: httpx.AsyncClient, who: str) -> None:
    case = await offered(service)
    task = await case.task()
    address = f"Task/{case.offer_id}/$validate?mode=update"
    assert fine(await told(case.receiver, address, task | {"status": "accepted"}))
    assert fine(await told(case.receiver, address, task | {"status": "accepted"}, If_Match='W/"1"'))
    assert problems(await told(case.receiver, address, task | {"status": "completed"})) == [("conflict", "")]
    assert problems(await told(case.receiver, address, task, If_Match='W/"7"')) == [("conflict", "")]
    without = {name: value for name, value in task.items() if name != "meta"}
    assert problems(await told(case.receiver, address, without)) == [("required", "")]
    assert (await case.task())["meta"] == task["meta"]
    other = task | {"id": "other"}
    assert problems(await told(case.receiver, address, other)) == [("invalid", "Task.id")]
    known = patient(id=who)
    assert fine(await told(station, f"Patient/{who}/$validate?mode=update", known))
    assert fine(await told(station, "Patient/$validate?mode=update", known))
    assert problems(await told(station, "Patient/$validate?mode=update", patient())) == [
        ("invalid", "Patient.id")
    ]
    assert (await station.get(f"Patient/{who}")).json()["meta"]["versionId"] == "1"


async def test_what_the_hub_would_keep_is_told(service: RunningService) -> None:
    case = await offered(service)
    task = await case.task() | {"status": "accepted", "description": "another"}
    (issue,) = await told(case.receiver, f"Task/{case.offer_id}/$validate?mode=update", task)
    assert issue["severity"] == "information"
    assert "description" in issue["diagnostics"]


async def test_a_delete_is_tried(service: RunningService, station: httpx.AsyncClient, who: str) -> None:
    case = await offered(service)
    for address in (f"Patient/{who}/$validate?mode=delete", "Patient/$validate?mode=delete"):
        content = patient(id=who) if address.startswith("Patient/$") else None
        assert fine(await told(station, address, content))
    assert fine(await told(station, f"Patient/{who}/$validate", parameters(mode="delete")))
    (issue,) = await told(case.sender, f"ServiceRequest/{case.request['id']}/$validate?mode=delete")
    assert issue["severity"] == "error"
    assert "never deleted" in issue["diagnostics"]
    assert (await station.get(f"Patient/{who}")).status_code == 200


async def test_a_mode_needs_the_scope_of_what_it_tries(service: RunningService, who: str) -> None:
    reader = await service.system(LE_CHAN, "system/Patient.r")
    author = await service.system(LE_CHAN, "system/Patient.c")
    assert fine(await told(reader, "Patient/$validate", patient()))
    assert fine(await told(author, "Patient/$validate", patient()))
    assert fine(await told(author, "Patient/$validate?mode=create", patient()))
    for client, mode in ((reader, "create"), (author, "update"), (author, "delete")):
        answer = await client.post(f"Patient/{who}/$validate?mode={mode}", json=patient(id=who))
        refused(answer, 403, "forbidden")
    refused(await reader.post("Task/$validate", json=patient()), 403, "forbidden")
    async with service.anonymous() as nobody:
        refused(await nobody.post("/fhir/Patient/$validate", json=patient()), 401, "login")


@pytest.mark.parametrize(
    ("address", "content", "status", "code"),
    [
        ("Account/$validate", patient(), 404, "not-supported"),
        ("Patient/no_id/$validate", patient(), 400, "invalid"),
        ("Patient/$validate", None, 422, "required"),
        ("Patient/$validate", parameters(), 422, "required"),
        ("Patient/$validate?mode=update", parameters(), 422, "required"),
        ("Patient/$validate?mode=destroy", patient(), 400, "invalid"),
        ("Patient/$validate?mode=", patient(), 400, "invalid"),
        ("Patient/$validate?level=all", patient(), 400, "invalid"),
        ("Patient/$validate?resource=x", patient(), 400, "invalid"),
        ("Patient/$validate?mode=create", parameters(patient(), mode="create"), 400, "invalid"),
        ("Patient/$validate", {"resourceType": "Parameters", "parameter": {}}, 400, "invalid"),
        ("Patient/$validate", {"resourceType": "Parameters", "parameter": [1]}, 400, "invalid"),
        (
            "Patient/$validate",
            {"resourceType": "Parameters", "parameter": [{"name": "mode"}]},
            400,
            "invalid",
        ),
        ("Patient/$validate", {"resourceType": "Parameters", "parameter": [{"name": []}]}, 400, "invalid"),
        ("Patient/$validate", [], 400, "structure"),
    ],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_what_cannot_be_asked(
    station: httpx.AsyncClient, address: str, content: Any, status: int, code: str
) -> None:
    answer = await (station.post(address) if content is None else station.post(address, json=content))
    (issue,) = outcome(answer)
    assert (answer.status_code, issue["code"]) == (status, code), answer.text


async def test_a_number_that_would_not_come_back_is_told(station: httpx.AsyncClient) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":-0}}'
    answer = await station.post(
        "Observation/$validate", content=body, headers={"Content-Type": "application/fhir+json"}
    )
    assert answer.status_code == 200
    assert problems(outcome(answer)) == [("business-rule", "Observation.valueQuantity.value")]


async def test_a_resource_is_held_against_a_profile(station: httpx.AsyncClient, who: str) -> None:
    letter = summary(who, content=[{"attachment": {"title": "Nothing to read"}}])
    assert fine(await told(station, "DocumentReference/$validate", letter))
    ours = f"{B}/StructureDefinition/summary"
    expected = [
        ("required", "DocumentReference.content[0].attachment.contentType"),
        ("business-rule", "DocumentReference.content[0].attachment"),
    ]
    for asked in (parameters(letter, profile=ours), parameters(letter, profile=f"{ours}|1", mode="profile")):
        assert problems(await told(station, "DocumentReference/$validate", asked)) == expected
    address = f"DocumentReference/$validate?profile={ours}"
    assert problems(await told(station, address, letter)) == expected
    assert problems(await told(station, address, letter | {"meta": []})) == [
        ("invalid", "DocumentReference.meta")
    ]
    of_the_type = "http://hl7.org/fhir/StructureDefinition/DocumentReference"
    assert fine(await told(station, "DocumentReference/$validate", parameters(letter, profile=of_the_type)))
    other = parameters(letter, profile="http://other.example/profile", mode="create")
    (issue,) = await told(station, "DocumentReference/$validate", other)
    assert (issue["severity"], issue["code"]) == ("warning", "not-supported")


async def test_it_is_recorded(service: RunningService, station: httpx.AsyncClient, who: str) -> None:
    of_type, of_one = named(), named()
    await station.post("Patient/$validate?mode=create", json=patient(), headers=of_type)
    await station.post(f"Patient/{who}/$validate", json=EVERYTHING, headers=of_one)
    (row,) = await audited(service.store, of_type)
    assert (row["action"], row["type"], row["id"]) == ("execute", "Patient", None)
    assert (row["query"], row["outcome"]) == ("$validate?mode=create", 200)
    (row,) = await audited(service.store, of_one)
    assert (row["type"], row["id"], row["query"]) == ("Patient", who, "$validate")


async def test_a_task_for_a_plain_order_is_no_offer(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    order = request(who["id"], category=[{"text": "Laboratory"}])
    order = await created(station, order)
    task: Resource = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": f"ServiceRequest/{order['id']}"},
        "for": {"reference": f"Patient/{who['id']}"},
    }
    await created(station, task)
    await created(station, task | {"owner": {"reference": f"Patient/{who['id']}"}})
    told = await station.post("Task/$validate", json=task)
    assert [issue["severity"] for issue in outcome(told)] == ["information"]
    referral = await created(station, request(who["id"]))
    of_a_referral = task | {"focus": {"reference": f"ServiceRequest/{referral['id']}"}}
    refused(await station.post("Task", json=of_a_referral), 422, "required", "Task.owner")
    declared = task | {"meta": {"profile": ["http://referral.example/fhir/StructureDefinition/offer"]}}
    refused(await station.post("Task", json=declared), 422, "required", "Task.owner")


async def test_what_the_network_tells_of_a_way_down_is_told_before_it_is_gone(
    service: RunningService,
) -> None:
    hospital = await service.system(KIEN_AN)
    down = await created(hospital, request((await created(hospital, patient()))["id"]))
    asked = parameters(offer(down["id"], LE_CHAN), mode="create")
    (issue,) = await told(hospital, "Task/$validate", asked)
    assert (issue["severity"], issue["code"]) == ("information", "informational")
    assert "is not known to offer what is asked for" in issue["diagnostics"]
