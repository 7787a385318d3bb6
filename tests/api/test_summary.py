"""What comes back when care ends is checked: what is missing, unfinished or of another patient is refused."""

from typing import Any

import httpx
import pytest

from tests.api.refusals import refused as refusal
from tests.factories import (
    OFFICE,
    Case,
    arrived,
    completion,
    created,
    observation,
    output,
    patient,
    summary,
    summary_in_parts,
)
from tests.running_service import RunningService

Resource = dict[str, Any]


@pytest.fixture(scope="module")
async def case(service: RunningService) -> Case:
    """A patient in care, whom nobody completes here."""
    return await arrived(service)


async def completing(case: Case, written: Resource) -> httpx.Response:
    """The answer to completing with this summary."""
    address = f"{written['resourceType']}/{written['id']}"
    named = output("summary", valueReference={"reference": address})
    return await case.move(case.receiver, "completed", output=[*completion(None), named])


def refused(answer: httpx.Response) -> set[str]:
    """What is wrong with the summary."""
    issues = answer.json()["issue"]
    assert answer.status_code == 422, answer.text
    assert {issue["expression"][0] for issue in issues} == {"Task.output"}
    return {issue["diagnostics"] for issue in issues}


async def test_a_summary_in_parts_has_all_of_them(case: Case):
    whole = summary_in_parts(case.patient["id"])
    for sections, lacks in (
        (whole["section"][1:], {"diagnosis"}),
        (whole["section"][:2], {"medicines", "community", "next-visit"}),
    ):
        written = await created(case.receiver, whole | {"section": sections})
        told = refused(await completing(case, written))
        assert len(told) == len(lacks)
        assert all(any(name in text for text in told) for name in lacks)
    twice = await created(case.receiver, whole | {"section": [*whole["section"], whole["section"][0]]})
    assert len(refused(await completing(case, twice))) == 1


async def test_a_summary_as_a_document_has_it(case: Case):
    untyped = summary(case.patient["id"], content=[{"attachment": {"url": "http://pacs.example/letter.pdf"}}])
    empty = summary(case.patient["id"], content=[{"attachment": {"contentType": "text/plain"}}])
    for written in (untyped, empty):
        assert len(refused(await completing(case, await created(case.receiver, written)))) == 1


@pytest.mark.parametrize(
    "changes",
    [{"status": "entered-in-error"}, {"status": "superseded"}, {"docStatus": "preliminary"}],
)
async def test_a_summary_is_finished_and_holds(case: Case, changes: Resource):
    written = await created(case.receiver, summary(case.patient["id"], **changes))
    refused(await completing(case, written))
    parts = await created(case.receiver, summary_in_parts(case.patient["id"], status="preliminary"))
    refused(await completing(case, parts))


async def test_a_summary_is_one_and_about_the_patient(case: Case):
    other = await created(case.receiver, patient())
    refused(await completing(case, await created(case.receiver, summary_in_parts(other["id"]))))
    refused(await completing(case, await created(case.receiver, observation(case.patient["id"]))))
    deleted = await created(case.receiver, summary(case.patient["id"]))
    assert (await case.receiver.delete(f"DocumentReference/{deleted['id']}")).status_code == 204
    refused(await completing(case, deleted))
    hidden = await created(case.sender, summary(case.patient["id"]))
    refused(await completing(case, hidden))
    assert (await case.task())["status"] == "in-progress"


async def test_a_summary_that_came_back_is_corrected_and_not_taken_away(service: RunningService):
    done, office = await arrived(service), await service.system(OFFICE)
    letter = await created(done.receiver, summary(done.patient["id"]))
    # Until it has come back it is the author's.
    address = f"DocumentReference/{letter['id']}"
    for status in ("entered-in-error", "current"):
        letter = (await done.receiver.put(address, json=letter | {"status": status})).json()
    await done.moved(done.receiver, "completed", output=completion(letter["id"]))
    empty = [{"attachment": {"contentType": "text/plain"}}]
    for change in (
        {"status": "entered-in-error"},
        {"status": "superseded"},
        {"docStatus": "entered-in-error"},
        {"content": empty},
    ):
        answer = await done.receiver.put(address, json=letter | change)
        refusal(answer, 409, "conflict", "DocumentReference.status")
    patch = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    patched = await done.receiver.patch(
        address, json=patch, headers={"Content-Type": "application/json-patch+json"}
    )
    refusal(patched, 409, "conflict", "DocumentReference.status")
    better = [{"attachment": {"contentType": "text/plain", "data": "QmV0dGVy"}}]
    assert (await done.receiver.put(address, json=letter | {"content": better})).status_code == 200
    assert (await done.sender.get(address)).json()["content"] == better
    # Of another patient, care was not completed by it.
    await done.moved(office, "entered-in-error", statusReason={"text": "Of another patient"})
    wrong = await done.receiver.put(address, json=letter | {"status": "entered-in-error"})
    assert wrong.status_code == 200, wrong.text


async def test_a_summary_of_the_same_transaction_is_checked_too(service: RunningService):
    case = await arrived(service)
    task = await case.task()
    named = output("summary", valueReference={"reference": "urn:uuid:6a0f3a0e-6a4c-4f6e-9a5e-0d7c1e2b3f40"})
    done = task | {"status": "completed", "output": [*completion(None), named]}

    async def send(written: Resource) -> httpx.Response:
        entries = [
            {
                "fullUrl": "urn:uuid:6a0f3a0e-6a4c-4f6e-9a5e-0d7c1e2b3f40",
                "resource": written,
                "request": {"method": "POST", "url": "Composition"},
            },
            {
                "resource": done,
                "request": {
                    "method": "PUT",
                    "url": f"Task/{task['id']}",
                    "ifMatch": f'W/"{task["meta"]["versionId"]}"',
                },
            },
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        return await case.receiver.post("", json=bundle)

    parts = summary_in_parts(case.patient["id"])
    answer = await send(parts | {"section": parts["section"][:4]})
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource.output"]
    assert (await send(parts)).status_code == 200
    assert (await case.task())["status"] == "completed"


async def test_what_a_summary_in_parts_names_comes_back_with_it(service: RunningService):
    case = await arrived(service)
    result = await created(case.receiver, observation(case.patient["id"]))
    whole = summary_in_parts(case.patient["id"])
    whole["section"][1]["entry"] = [{"reference": f"Observation/{result['id']}"}]
    written = await created(case.receiver, whole)
    assert (await case.sender.get(f"Observation/{result['id']}")).status_code == 404
    answer = await completing(case, written)
    assert answer.status_code == 200, answer.text
    assert (await case.sender.get(f"Observation/{result['id']}")).status_code == 200
