"""An update that changes nothing makes no version: https://hl7.org/fhir/R4/http.html#update"""

import httpx

from tests.api.audited import audited
from tests.api.audited import named as request_named
from tests.api.refusals import refused, rows
from tests.api.test_transaction import bundle, put, sent
from tests.api.test_transaction_parts import number, patch, with_number
from tests.factories import KIEN_AN, LE_CHAN, Resource, created, observation, offered, patient
from tests.running_service import RunningService


async def test_an_equal_update_answers_what_stands(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    value = number()
    first = await created(station, with_number(value, meta={"tag": [{"code": "a"}]}))
    who = first["id"]
    seen = await created(station, observation(who, valueQuantity={"value": 1.50}))
    address, told = f"Patient/{who}", await station.get(f"Patient/{who}")
    bare = {name: content for name, content in first.items() if name != "meta"}
    tagged = bare | {
        "meta": {"tag": [{"code": "a"}], "versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}
    }
    before = await rows(service)
    test_operation = [{"op": "test", "path": "/id", "value": who}]
    as_patch = {"Content-Type": "application/json-patch+json"}
    for answer in (
        await station.put(address, json=first, headers={"If-Match": 'W/"1"'}),
        await station.put(address, json=tagged),
        await station.put(f"Patient?identifier={value}", json=tagged),
        await station.patch(address, json=[], headers=as_patch),
        await station.patch(address, json=test_operation, headers=as_patch),
        await station.patch(f"Patient?identifier={value}", json=test_operation, headers=as_patch),
    ):
        assert (answer.status_code, answer.json()) == (200, first)
        for name in ("etag", "last-modified"):
            assert answer.headers[name] == told.headers[name]
        assert answer.headers["location"].endswith(f"{address}/_history/1")
    found = await sent(station, bundle(put(first), patch(f"Observation/{seen['id']}")))
    assert [entry["response"]["etag"] for entry in found] == ['W/"1"', 'W/"1"']
    assert await rows(service) == before
    # It is what it was for the conditions of a write too.
    refused(await station.put(address, json=first, headers={"If-Match": 'W/"2"'}), 412, "conflict")
    refused(await station.put(address, json=first, headers={"If-None-Match": "*"}), 412, "conflict")


async def test_what_differs_is_a_version(station: httpx.AsyncClient, who: str) -> None:
    stored = await created(station, patient(extension=[{"url": "urn:test:x", "valueDecimal": 1}]))
    address = f"Patient/{stored['id']}"
    bare = {name: content for name, content in stored.items() if name != "meta"}
    digits = '{"url":"urn:test:x","valueDecimal":1.0}'
    text = (await station.get(address)).text.replace(" ", "").replace(digits[:-3] + "}", digits)
    assert digits in text
    json_type = {"Content-Type": "application/fhir+json"}
    for version, content in (
        (2, {"content": text, "headers": json_type}),
        (3, {"json": bare | {"meta": {"tag": [{"code": "a"}]}}}),
        (4, {"json": bare}),
        (5, {"json": bare | {"name": [*bare["name"], {"text": "X"}]}}),
    ):
        answer = await station.put(address, **content)
        assert (answer.status_code, answer.headers["etag"]) == (200, f'W/"{version}"')
    # What was deleted is brought back by what it was.
    assert (await station.delete(address)).status_code == 204
    answer = await station.put(address, json=bare | {"name": [*bare["name"], {"text": "X"}]})
    assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"7"')


async def test_who_may_not_write_is_refused_all_the_same(service: RunningService) -> None:
    case = await offered(service)
    stored = (await case.receiver.get(f"Patient/{case.patient['id']}")).json()
    refused(await case.receiver.put(f"Patient/{stored['id']}", json=stored), 403, "forbidden")
    limited = await service.system(LE_CHAN, "system/Patient.r")
    refused(await limited.put(f"Patient/{stored['id']}", json=stored), 403, "forbidden")


async def test_it_leaves_its_record_and_is_told_again(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    stored, headers = (await station.get(f"Patient/{who}")).json(), request_named()
    first = await station.put(f"Patient/{who}", json=stored, headers=headers)
    (row,) = await audited(service.store, headers)
    assert (row["action"], row["id"], row["version"], row["outcome"]) == ("read", who, 1, 200)
    changed = await station.put(f"Patient/{who}", json=stored | {"birthDate": "1990"})
    assert changed.headers["etag"] == 'W/"2"'
    again = await station.put(f"Patient/{who}", json=stored, headers=headers)
    assert (again.content, again.headers["x-replayed"]) == (first.content, "true")


async def test_a_service_says_anew_what_it_can_take_now(service: RunningService) -> None:
    """Without asOf its capacity is as of the moment that it is said."""
    house = await service.system(KIEN_AN)

    def saying(*parts: Resource) -> Resource:
        capacity = {
            "url": "http://referral.example/fhir/StructureDefinition/capacity",
            "extension": [{"url": "status", "valueCode": "capacity"}, *parts],
        }
        return {
            "resourceType": "HealthcareService",
            "providedBy": {"reference": f"Organization/{KIEN_AN}"},
            "name": "Unchanged",
            "extension": [capacity],
        }

    for parts, version in (
        ([], 'W/"2"'),
        ([{"url": "asOf", "valueDateTime": "2026-01-01T00:00:00Z"}], 'W/"1"'),
    ):
        stored = await created(house, saying(*parts))
        again = await house.put(f"HealthcareService/{stored['id']}", json=stored)
        assert (again.status_code, again.headers["etag"]) == (200, version)
        gone = await house.delete(f"HealthcareService/{stored['id']}")
        assert gone.status_code == 204
