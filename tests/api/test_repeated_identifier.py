"""One business identifier in two places."""

import httpx
import pytest

from tests.api.doors import bundle
from tests.api.refusals import refused, rows
from tests.factories import AN_LAO, KIEN_AN, OFFICE, B, created, patient, request
from tests.running_service import RunningService


async def test_a_patients_number_may_be_known_twice(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    first = await created(station, patient())
    second = await created(station, patient(identifier=first["identifier"] * 2))
    assert second["identifier"] == first["identifier"] * 2
    await created(await service.system(AN_LAO), patient(identifier=first["identifier"]))
    found = await station.get("Patient", params={"identifier": first["identifier"][0]["value"]})
    assert {entry["resource"]["id"] for entry in found.json()["entry"]} == {first["id"], second["id"]}
    # A number that two have names nobody.
    before = await rows(service)
    body = request("x", subject={"type": "Patient", "identifier": first["identifier"][0]})
    refused(await station.post("ServiceRequest", json=body), 422, "business-rule", "ServiceRequest.subject")
    assert await rows(service) == before


@pytest.mark.parametrize("length", [10, 9000])
async def test_the_senders_number_stands_for_one_referral(
    service: RunningService, station: httpx.AsyncClient, length: int
) -> None:
    who = await created(station, patient())
    # Hardly compressible, as PostgreSQL compresses what it keeps.
    long = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(length))
    own = {"system": "urn:test:order", "value": f"{who['id']}-{long}"}
    asked = await created(station, request(who["id"], identifier=[own, own]))
    assert asked["identifier"][:2] == [own, own]
    before = await rows(service)
    again = await station.post("ServiceRequest", json=request(who["id"], identifier=[own]))
    refused(again, 409, "duplicate", "ServiceRequest.identifier")
    assert await rows(service) == before
    entries = [
        ("POST", "Patient", patient()),
        ("POST", "ServiceRequest", request(who["id"], identifier=[own])),
    ]
    again = await station.post("", json=bundle(*entries))
    refused(again, 409, "duplicate", "Bundle.entry[1].resource.identifier")
    # Which of two it is, the database does not say.
    again = await station.post("", json=bundle(*entries, ("POST", "ServiceRequest", request(who["id"]))))
    refused(again, 409, "duplicate", "ServiceRequest.identifier")
    assert await rows(service) == before
    changed = await station.put(
        f"ServiceRequest/{asked['id']}",
        json=asked | {"note": [{"text": "seen"}]},
        headers={"If-Match": 'W/"1"'},
    )
    assert changed.status_code == 200, changed.text


async def test_long_texts_are_kept_and_found(station: httpx.AsyncClient) -> None:
    long = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(9000))
    who = await created(
        station,
        patient(
            identifier=[{"system": f"urn:test:{long}", "value": long}],
            name=[{"family": long, "given": [long, "Ngắn"], "text": long}],
            telecom=[{"system": "phone", "value": long}],
        ),
    )
    found = await station.get("Patient", params={"_id": who["id"], "family": long[:100]})
    assert found.json()["entry"][0]["resource"] == who


async def test_an_insurers_code_stands_for_one_facility(service: RunningService) -> None:
    office = await service.system(OFFICE)
    own = {"system": f"{B}/sid/insurer-code", "value": "ONE-FACILITY-ONLY"}
    first, second = [(await office.get(f"Organization/{name}")).json() for name in (KIEN_AN, AN_LAO)]
    taken = await office.put(
        f"Organization/{KIEN_AN}", json=first | {"identifier": [*first["identifier"], own]}
    )
    assert taken.status_code == 200, taken.text
    before = await rows(service)
    answer = await office.put(
        f"Organization/{AN_LAO}", json=second | {"identifier": [*second["identifier"], own]}
    )
    refused(answer, 409, "duplicate", "Organization.identifier")
    assert await rows(service) == before
    assert (await office.put(f"Organization/{KIEN_AN}", json=first)).status_code == 200
