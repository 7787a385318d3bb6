"""Read over HTTP: https://hl7.org/fhir/R4/http.html#read"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from referral.fhir.resources import SUPPORTED
from tests.owner import behind_the_wall
from tests.running_service import RunningService

STATION, STRANGER = "le-chan-health-station", "kien-an-hospital"


@pytest.fixture
async def system(service: RunningService) -> httpx.AsyncClient:
    return await service.system(STATION)


async def create(system: httpx.AsyncClient, content: dict[str, Any]) -> dict[str, Any]:
    answer = await system.post(content["resourceType"], json=content)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


@pytest.fixture
async def patient(system: httpx.AsyncClient) -> dict[str, Any]:
    return await create(system, {"resourceType": "Patient", "gender": "female", "birthDate": "1990-01"})


def outcome(answer: httpx.Response, status: int, code: str) -> str:
    """The text of the one issue of an OperationOutcome."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    text: str = issue["diagnostics"]
    return text


async def test_a_resource_comes_back_with_its_version(
    system: httpx.AsyncClient, patient: dict[str, Any]
) -> None:
    answer = await system.get(f"Patient/{patient['id']}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert answer.headers["etag"] == 'W/"1"'
    changed = datetime.fromisoformat(patient["meta"]["lastUpdated"]).replace(microsecond=0)
    assert parsedate_to_datetime(answer.headers["last-modified"]).astimezone(UTC) == changed
    assert answer.json() == patient


async def test_decimals_come_back_digit_for_digit(system: httpx.AsyncClient, patient: dict[str, Any]) -> None:
    body = (
        '{"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference":'
        f' "Patient/{patient["id"]}"}}, "valueQuantity": {{"value": 12345678901234567890.0100}}}}'
    )
    created = await system.post("Observation", content=body)
    assert created.status_code == 201, created.text
    for address in (f"Observation/{created.json()['id']}", f"Observation?_id={created.json()['id']}"):
        assert '"value": 12345678901234567890.0100}' in (await system.get(address)).text


async def test_the_newest_version_is_read(system: httpx.AsyncClient, patient: dict[str, Any]) -> None:
    answer = await system.put(f"Patient/{patient['id']}", json=patient | {"gender": "male"})
    assert answer.status_code == 200, answer.text
    read = await system.get(f"Patient/{patient['id']}")
    assert (read.headers["etag"], read.json()["gender"]) == ('W/"2"', "male")


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('W/"1"', 304),
        ('"1"', 304),
        ('W/"7", W/"1"', 304),
        ("*", 304),
        ('W/"2"', 200),
        ('W/"11"', 200),
        ("1", 200),
        ("", 200),
        ('W/"é"', 200),
    ],
)
async def test_what_the_client_has_is_not_sent_again(
    system: httpx.AsyncClient, patient: dict[str, Any], tags: str, status: int
) -> None:
    headers = {"If-None-Match": tags.encode()}
    answer = await system.get(f"Patient/{patient['id']}", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["etag"]) == (status, 'W/"1"')
    assert bool(answer.content) is (status == 200)


async def test_unknown_and_not_visible_are_the_same_answer(
    service: RunningService, patient: dict[str, Any]
) -> None:
    stranger = await service.system(STRANGER)
    hidden = await stranger.get(f"Patient/{patient['id']}")
    assert outcome(hidden, 404, "not-found") == outcome(await stranger.get("Patient/none"), 404, "not-found")
    having = await stranger.get(f"Patient/{patient['id']}", headers={"If-None-Match": 'W/"1"'})
    outcome(having, 404, "not-found")


@pytest.mark.parametrize("resource_type", sorted(SUPPORTED))
async def test_an_unknown_id_of_every_type(system: httpx.AsyncClient, resource_type: str) -> None:
    assert resource_type in outcome(await system.get(f"{resource_type}/none"), 404, "not-found")


@pytest.mark.parametrize(
    "resource_id", ["%00", "a%20b", "a_b", "x" * 65, "%C3%A9", "'", "%27%20OR%201=1", "%FF"]
)
async def test_what_is_no_id_is_not_found(system: httpx.AsyncClient, resource_id: str) -> None:
    outcome(await system.get(f"Patient/{resource_id}"), 404, "not-found")


@pytest.mark.parametrize("resource_type", ["Medication", "patient", "Foo", "%00", "Patient%20"])
async def test_a_type_that_is_not_stored_is_named(system: httpx.AsyncClient, resource_type: str) -> None:
    text = outcome(await system.get(f"{resource_type}/a"), 404, "not-supported")
    assert resource_type.partition("%")[0] in text


async def test_without_a_token_nothing_is_read(service: RunningService, patient: dict[str, Any]) -> None:
    async with service.anonymous() as somebody:
        for address in (f"Patient/{patient['id']}", "Patient/none", "Foo/a"):
            answer = await somebody.get(f"/fhir/{address}")
            outcome(answer, 401, "login")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_scope_of_the_token_limits_what_is_read(
    service: RunningService, patient: dict[str, Any]
) -> None:
    limited = await service.system(STATION, "system/Patient.s system/Task.rs")
    outcome(await limited.get(f"Patient/{patient['id']}"), 403, "forbidden")
    outcome(await limited.get("Task/none"), 404, "not-found")


async def test_what_is_deleted_is_gone(
    service: RunningService, system: httpx.AsyncClient, patient: dict[str, Any]
) -> None:
    async with behind_the_wall(service.store) as connection:
        await connection.execute("UPDATE document SET deleted = true WHERE id = $1", patient["id"])
    outcome(await system.get(f"Patient/{patient['id']}"), 410, "deleted")
    outcome(await (await service.system(STRANGER)).get(f"Patient/{patient['id']}"), 404, "not-found")


async def test_head_answers_as_get_without_the_body(system: httpx.AsyncClient, patient: dict[str, Any]):
    address = f"Patient/{patient['id']}"
    full, head = await system.get(address), await system.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == full.headers["etag"]
    assert head.headers["content-length"] == str(len(full.content))
