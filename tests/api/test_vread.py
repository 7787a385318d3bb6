"""One version of a resource: https://hl7.org/fhir/R4/http.html#vread"""

from email.utils import format_datetime, parsedate_to_datetime

import httpx
import pytest

from tests.api.refusals import refused
from tests.factories import KIEN_AN, LE_CHAN, Resource, created, observation, patient, rejected
from tests.running_service import RunningService


@pytest.fixture
async def changed(station: httpx.AsyncClient) -> list[Resource]:
    """Both versions of a patient."""
    first = await created(station, patient())
    second = await station.put(f"Patient/{first['id']}", json=first | {"birthDate": "1961-05-05"})
    return [first, second.json()]


async def test_each_version_comes_back_as_it_was(station: httpx.AsyncClient, changed: list[Resource]) -> None:
    for number, content in enumerate(changed, start=1):
        answer = await station.get(f"Patient/{content['id']}/_history/{number}")
        assert (answer.status_code, answer.json()) == (200, content)
        assert answer.headers["etag"] == f'W/"{number}"'
        assert parsedate_to_datetime(answer.headers["last-modified"])
        known = await station.get(answer.url, headers={"If-None-Match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


async def test_the_location_of_a_write_is_the_address_of_its_version(station: httpx.AsyncClient) -> None:
    written = await station.post("Patient", json=patient())
    assert (await station.get(written.headers["location"])).json() == written.json()


@pytest.mark.parametrize(
    "version", ["0", "3", "-1", "01x", "1.0", "١", "9999999999", "99999999999999999999", "%00", "_history"]
)
async def test_a_version_that_never_was_is_not_found(
    station: httpx.AsyncClient, changed: list[Resource], version: str
) -> None:
    refused(await station.get(f"Patient/{changed[0]['id']}/_history/{version}"), 404, "not-found")


@pytest.mark.parametrize("name", ["nobody", "x" * 65, "a b", "%00"])
async def test_a_resource_that_never_was_has_no_version(station: httpx.AsyncClient, name: str) -> None:
    refused(await station.get(f"Patient/{name}/_history/1"), 404, "not-found")


async def test_what_is_deleted_keeps_its_versions_before(
    station: httpx.AsyncClient, changed: list[Resource]
) -> None:
    address = f"Patient/{changed[0]['id']}"
    assert (await station.delete(address)).status_code == 204
    refused(await station.get(address), 410, "deleted")
    refused(await station.get(f"{address}/_history/3"), 410, "deleted")
    assert (await station.get(f"{address}/_history/2")).json() == changed[1]
    refused(await station.get(f"{address}/_history/4"), 404, "not-found")


async def test_who_no_longer_sees_the_resource_sees_no_version(service: RunningService) -> None:
    case, seen = await rejected(service)
    for name in (seen["id"], observation("x")["resourceType"]):
        answer = await case.receiver.get(f"Observation/{name}/_history/1")
        refused(answer, 404, "not-found")
    assert (await case.sender.get(f"Observation/{seen['id']}/_history/1")).json() == seen
    assert (await case.receiver.get(f"ServiceRequest/{case.request['id']}/_history/1")).status_code == 200


async def test_the_scope_that_reads_reads_versions(service: RunningService, who: str) -> None:
    for scope, status in {"system/Patient.r": 200, "system/Patient.s": 403, "system/Task.r": 403}.items():
        limited = await service.system(LE_CHAN, scope)
        assert (await limited.get(f"Patient/{who}/_history/1")).status_code == status
    refused(await (await service.system(KIEN_AN)).get("Banana/a/_history/1"), 404, "not-supported")


async def test_what_has_not_changed_since_is_not_sent_again(
    station: httpx.AsyncClient, changed: list[Resource]
) -> None:
    address = f"Patient/{changed[0]['id']}"
    at = (await station.get(address)).headers["last-modified"]
    before = format_datetime(parsedate_to_datetime(at).replace(year=2020), usegmt=True)
    for since, status in {at: 304, before: 200, "yesterday": 200, "Mon, 99 Foo 99999999999": 200}.items():
        answer = await station.get(address, headers={"If-Modified-Since": since})
        assert (answer.status_code, answer.headers["last-modified"]) == (status, at), since
    # The tag says more than the time, whichever way.
    both = {"If-Modified-Since": at, "If-None-Match": 'W/"1"'}
    assert (await station.get(address, headers=both)).status_code == 200
