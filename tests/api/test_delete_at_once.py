"""A command and one that it rests on, at the same moment: one is first, and the other sees it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from tests.api.refusals import refused
from tests.factories import KIEN_AN, Resource, created, observation, request, summary
from tests.owner import behind_the_wall
from tests.running_service import RunningService

_WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND pg_blocking_pids(pid) <> '{}'"


@asynccontextmanager
async def nothing_is_written(
    service: RunningService, to: str = "change"
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Commands decide meanwhile, and wait where they would write to this table."""
    async with behind_the_wall(service.store) as owner:
        held = owner.transaction()
        await held.start()
        await owner.execute(f"LOCK TABLE {to} IN SHARE MODE")
        try:
            yield owner
        finally:
            await held.rollback()


async def waiting(owner: "asyncpg.Connection[asyncpg.Record]", commands: int) -> None:
    """Returns when so many commands wait for a lock."""
    async with asyncio.timeout(10):
        while commands != await owner.fetchval(f"SELECT count(*) {_WAITING}"):
            await asyncio.sleep(0.01)
            # A transaction goes on seeing the activity that it saw first.
            await owner.execute("SELECT pg_stat_clear_snapshot()")


async def _named(station: httpx.AsyncClient, who: str, kind: str) -> tuple[str, Resource]:
    """Something of this type, and what is about to name it."""
    if kind == "Patient":
        return f"Patient/{who}", observation(who)
    if kind == "Binary":
        sent = await station.post("Binary", content=b"%PDF", headers={"Content-Type": "application/pdf"})
        address = f"Binary/{sent.json()['id']}"
        attachment = {"contentType": "application/pdf", "url": address}
        return address, summary(who, content=[{"attachment": attachment}])
    address = f"Observation/{(await created(station, observation(who)))['id']}"
    return address, request(who, KIEN_AN, supportingInfo=[{"reference": address}])


@pytest.mark.parametrize("kind", ["Patient", "Binary", "Observation"])
async def test_what_is_being_named_is_not_deleted(
    service: RunningService, station: httpx.AsyncClient, who: str, kind: str
) -> None:
    address, naming = await _named(station, who, kind)
    async with nothing_is_written(service) as owner:
        written = asyncio.create_task(station.post(naming["resourceType"], json=naming))
        await waiting(owner, 1)
        deleted = asyncio.create_task(station.delete(address))
        await waiting(owner, 2)
    assert (await written).status_code == 201
    refused(await deleted, 409, "conflict")
    assert (await station.get(address)).status_code == 200


async def test_what_a_package_is_made_of_is_not_deleted_as_it_is_given(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    part = f"Observation/{(await created(station, observation(who)))['id']}"
    whole = await created(station, observation(who, hasMember=[{"reference": part}]))
    naming = request(who, KIEN_AN, supportingInfo=[{"reference": f"Observation/{whole['id']}"}])
    # What is given is given before the events are written.
    async with nothing_is_written(service, "event") as owner:
        placed = asyncio.create_task(station.post("ServiceRequest", json=naming))
        await waiting(owner, 1)
        deleted = asyncio.create_task(station.delete(part))
        await waiting(owner, 2)
    assert (await placed).status_code == 201
    refused(await deleted, 409, "conflict")
    hospital = await service.system(KIEN_AN)
    assert (await hospital.get(part)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "at"),
    [("Patient", "Observation.subject"), ("Binary", "DocumentReference.content[0].attachment.url")],
)
async def test_what_is_being_deleted_is_not_named(
    service: RunningService, station: httpx.AsyncClient, who: str, kind: str, at: str
) -> None:
    address, naming = await _named(station, who, kind)
    async with nothing_is_written(service) as owner:
        deleted = asyncio.create_task(station.delete(address))
        await waiting(owner, 1)
        written = asyncio.create_task(station.post(naming["resourceType"], json=naming))
        await waiting(owner, 2)
    assert (await deleted).status_code == 204
    refused(await written, 422, "business-rule", at)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_what_meets_a_condition_no_longer_is_left_alone(
    service: RunningService, station: httpx.AsyncClient, who: str, method: str
) -> None:
    before = (await station.get(f"Patient/{who}")).json()
    number = before["identifier"][0]["value"]
    body = {"PUT": before | {"gender": "other"}, "PATCH": [{"op": "remove", "path": "/gender"}]}.get(method)
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    async with nothing_is_written(service) as owner:
        renumbered = asyncio.create_task(
            station.put(f"Patient/{who}", json=before | {"identifier": [{"value": f"{number}-b"}]})
        )
        await waiting(owner, 1)
        address, headers = f"Patient?identifier={number}", {"Content-Type": kind}
        meant = asyncio.create_task(station.request(method, address, json=body, headers=headers))
        await waiting(owner, 2)
    assert (await renumbered).status_code == 200
    refused(await meant, 412, "conflict")
    assert (await station.get(f"Patient/{who}")).json()["meta"]["versionId"] == "2"


async def test_a_patient_is_changed_while_records_are_written(
    service: RunningService, station: httpx.AsyncClient, who: str
) -> None:
    before = (await station.get(f"Patient/{who}")).json()
    async with nothing_is_written(service) as owner:
        written = asyncio.create_task(station.post("Observation", json=observation(who)))
        await waiting(owner, 1)
        changed = asyncio.create_task(station.put(f"Patient/{who}", json=before | {"gender": "male"}))
        await waiting(owner, 2)
        blocked = await owner.fetchval(
            f"SELECT count(*) {_WAITING} AND pg_backend_pid() <> ALL (pg_blocking_pids(pid))"
        )
    # Neither waits for the other, both for what holds everything up here.
    assert blocked == 0
    assert ((await written).status_code, (await changed).status_code) == (201, 200)
