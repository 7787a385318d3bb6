"""A document gets an attachment at the moment that its reader loses it: the reader loses both."""

import asyncio

import pytest

from tests.api.test_binary import bytes_of, document, sent
from tests.api.test_delete_at_once import nothing_is_written, waiting
from tests.factories import KIEN_AN, LE_CHAN, created, patient, request, summary
from tests.running_service import RunningService


@pytest.mark.parametrize("attached_first", [True, False])
async def test_what_is_attached_while_the_package_is_taken_back_is_not_seen(
    service: RunningService, attached_first: bool
) -> None:
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = (await created(station, patient()))["id"]
    letter = await created(station, summary(who))
    address = f"DocumentReference/{letter['id']}"
    asked = await created(station, request(who, KIEN_AN, supportingInfo=[{"reference": address}]))
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    task = found.json()["entry"][0]["resource"]
    binary = await sent(station, bytes_of())
    rejected = task | {"status": "rejected", "statusReason": {"text": "No bed"}}
    commands = [
        station.put(address, json=document(who, binary) | {"id": letter["id"]}),
        hospital.put(f"Task/{task['id']}", json=rejected, headers={"If-Match": 'W/"1"'}),
    ]
    # Access is given and ended before the events are written.
    async with nothing_is_written(service, "event") as owner:
        under_way = []
        for place in (0, 1) if attached_first else (1, 0):
            under_way.append(asyncio.create_task(commands[place]))
            await waiting(owner, len(under_way))
    assert [(await one).status_code for one in under_way] == [200, 200]
    for lost in (address, f"Binary/{binary}"):
        assert (await hospital.get(lost)).status_code == 404
