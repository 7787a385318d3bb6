"""JSON Patch over HTTP: https://hl7.org/fhir/R4/http.html#patch"""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.api.audited import audited, named
from tests.api.refusals import outcome, refused, rows
from tests.factories import KIEN_AN, LE_CHAN, business, created, observation, offered, patient
from tests.running_service import RunningService

PATCH = {"Content-Type": "application/json-patch+json"}


async def patched(
    client: httpx.AsyncClient, address: str, *operations: Any, **headers: str
) -> httpx.Response:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.patch(address, json=list(operations), headers=PATCH | more)


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


async def test_what_is_patched_is_the_next_version(station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    address = f"Patient/{who['id']}"
    answer = await patched(
        station, address, replace("/birthDate", "1990-02-03"), {"op": "remove", "path": "/gender"}
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert answer.headers["location"].endswith(f"{address}/_history/2")
    expected = {name: value for name, value in who.items() if name not in {"gender", "meta"}}
    found = answer.json()
    assert found == expected | {"birthDate": "1990-02-03", "meta": found["meta"]}
    assert (await station.get(address)).json() == found
    searched = await station.get("Patient", params={"_id": who["id"], "birthdate": "1990-02-03"})
    assert len(searched.json()["entry"]) == 1


async def test_decimals_keep_their_digits(station: httpx.AsyncClient, who: str) -> None:
    body = json.dumps(observation(who)).replace("38.5", "38.500")
    made = (await station.post("Observation", content=body)).json()
    body = '[{"op": "add", "path": "/bodySite", "value": {"text": "x"}},\
        {"op": "test", "path": "/valueQuantity/value", "value": 38.5}]'
    answer = await station.patch(f"Observation/{made['id']}", content=body, headers=PATCH)
    assert '"value":38.500' in answer.text.replace(" ", "")


async def test_preferences_and_json_are_taken_too(station: httpx.AsyncClient, who: str) -> None:
    minimal = await patched(
        station, f"Patient/{who}", {"op": "remove", "path": "/birthDate"}, Prefer="return=minimal"
    )
    assert (minimal.status_code, minimal.content, minimal.headers["etag"]) == (200, b"", 'W/"2"')
    plain = await station.patch(f"Patient/{who}", json=[], headers={"Content-Type": "application/json"})
    assert plain.status_code == 200


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"op": "remove", "path": "/photo"}, (422, "business-rule", "Patient.photo")),
        ({"op": "test", "path": "/gender", "value": "male"}, (422, "business-rule", "Patient.gender")),
        (replace("/gender", "banana"), (400, "code-invalid", "Patient.gender")),
        (replace("/birthDate", "61"), (400, "invalid", "Patient.birthDate")),
        ({"op": "add", "path": "/banana", "value": 1}, (400, "invalid", "Patient.banana")),
        ({"op": "remove", "path": "/name/0"}, (400, "invalid", "Patient.name")),
        (replace("/id", "other"), (422, "business-rule", "Patient.id")),
        ({"op": "remove", "path": "/id"}, (422, "business-rule", "Patient.id")),
        (replace("/resourceType", "Task"), (422, "business-rule", "Patient.resourceType")),
        (replace("", []), (422, "business-rule", None)),
        ({"op": "remove", "path": ""}, (422, "business-rule", None)),
        ({"op": "fetch", "path": "/id"}, (400, "invalid", None)),
        ({"op": "add", "path": "/active", "value": "\x00"}, (400, "structure", "$this[0].value")),
    ],
    ids=str,
)
@pytest.mark.usefixtures("nothing_stored")
async def test_what_cannot_be_done_changes_nothing(
    station: httpx.AsyncClient, who: str, operation: Any, told: tuple[int, str, str | None]
) -> None:
    status, code, expression = told
    first = replace("/birthDate", "1990")
    body: list[Any] = [operation] if code == "structure" else [first, operation]
    refused(await patched(station, f"Patient/{who}", *body), status, code, expression)


@pytest.mark.parametrize("body", ["", "[", "{}", '"x"', "null", "\ufeff[1]", '[{"op": "add", "op": "add"}]'])
@pytest.mark.usefixtures("nothing_stored")
async def test_a_body_that_is_no_patch(station: httpx.AsyncClient, who: str, body: str) -> None:
    answer = await station.patch(f"Patient/{who}", content=body.encode(), headers=PATCH)
    assert answer.status_code == 400
    outcome(answer)


@pytest.mark.usefixtures("nothing_stored")
async def test_values_too_deep_or_too_large(station: httpx.AsyncClient, who: str) -> None:
    deep: Any = []
    for _ in range(50):
        deep = {"extension": [deep]}
    refused(
        await patched(station, f"Patient/{who}", {"op": "add", "path": "/a", "value": deep}), 400, "structure"
    )
    doubling = [{"op": "copy", "path": "/name/-", "from": "/name"}] * 60
    answer = await patched(station, f"Patient/{who}", *doubling)
    assert 400 <= answer.status_code < 500
    outcome(answer)


@pytest.mark.parametrize(
    "media_type", ["application/fhir+json", "application/xml-patch+xml", "text/plain", ""]
)
async def test_other_media_types_are_not_read(station: httpx.AsyncClient, who: str, media_type: str) -> None:
    answer = await station.patch(f"Patient/{who}", json=[], headers={"Content-Type": media_type})
    refused(answer, 415, "not-supported")


async def test_the_version_that_is_meant_is_patched(station: httpx.AsyncClient, who: str) -> None:
    stale = await patched(station, f"Patient/{who}", If_Match='W/"2"')
    refused(stale, 412, "conflict")
    assert (await patched(station, f"Patient/{who}", If_Match='W/"1"')).status_code == 200


async def test_a_move_is_a_patch_of_its_offer(service: RunningService) -> None:
    case = await offered(service)
    address, accept = f"Task/{case.offer_id}", replace("/status", "accepted")
    before = await rows(service)
    refused(await patched(case.receiver, address, accept), 428, "required")
    illegal = await patched(case.receiver, address, replace("/status", "failed"), If_Match='W/"1"')
    refused(illegal, 409, "conflict")
    assert await rows(service) == before
    answer = await patched(case.receiver, address, accept, If_Match='W/"1"')
    assert (answer.status_code, business(answer.json())) == (200, "accepted")
    raised = await patched(
        case.sender, f"ServiceRequest/{case.request['id']}", replace("/priority", "stat"), If_Match='W/"1"'
    )
    assert raised.json()["priority"] == "stat"


async def test_what_is_not_seen_not_there_or_not_ones_own(service: RunningService) -> None:
    case = await offered(service)
    change = replace("/birthDate", "1990")
    for client, address in (
        (case.sender, "Patient/nobody"),
        (await service.system("tien-lang-medical-centre"), f"Patient/{case.patient['id']}"),
    ):
        refused(await patched(client, address, change), 404, "not-found")
    refused(await patched(case.receiver, f"Patient/{case.patient['id']}", change), 403, "forbidden")
    refused(await patched(case.sender, f"Patient/{'x' * 65}", change), 400, "invalid", "id")
    refused(await patched(case.sender, "Banana/1", change), 404, "not-supported")
    limited = await service.system(LE_CHAN, "system/*.crds")
    refused(await patched(limited, f"Patient/{case.patient['id']}", change), 403, "forbidden")
    gone = await created(case.sender, patient())
    await case.sender.delete(f"Patient/{gone['id']}")
    refused(await patched(case.sender, f"Patient/{gone['id']}", change), 410, "deleted")


async def test_patches_at_once_are_all_done(station: httpx.AsyncClient) -> None:
    who = await created(station, patient())
    names = [f"N{number}" for number in range(6)]
    add = [{"op": "add", "path": "/name/-", "value": {"family": name}} for name in names]
    answers = await asyncio.gather(*(patched(station, f"Patient/{who['id']}", each) for each in add))
    assert {answer.status_code for answer in answers} == {200}
    found = (await station.get(f"Patient/{who['id']}")).json()
    assert sorted(name["family"] for name in found["name"][1:]) == names


async def test_it_is_recorded_and_sent_again_it_is_answered_again(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    headers = named()
    first = await patched(station, f"Patient/{who}", replace("/birthDate", "1990"), **headers)
    (record,) = await audited(service.store, headers)
    assert (record["action"], record["version"], record["patient"]) == ("update", 2, who)
    again = await patched(station, f"Patient/{who}", replace("/birthDate", "1990"), **headers)
    assert (again.headers["x-replayed"], again.content) == ("true", first.content)
    bad = named()
    refused(await patched(station, f"Patient/{who}", {"op": "remove", "path": "/photo"}, **bad),
            422, "business-rule", "Patient.photo")  # fmt: skip
    (record,) = await audited(service.store, bad)
    assert (record["action"], record["outcome"], record["id"]) == ("patch", 422, who)


async def test_the_directory_is_patched_by_whose_it_is(service: RunningService) -> None:
    hospital, station = await service.system(KIEN_AN), await service.system(LE_CHAN)
    made = await created(hospital, {"resourceType": "Practitioner", "name": [{"family": "Phạm"}]})
    address, change = f"Practitioner/{made['id']}", {"op": "add", "path": "/active", "value": True}
    refused(await patched(station, address, change), 403, "forbidden")
    assert (await patched(hospital, address, change)).json()["active"] is True
