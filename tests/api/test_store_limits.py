"""A database that is busy, locked or slow, as clients meet it: 503 with Retry-After, and well afterwards."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from tests.conftest import Database, serve
from tests.factories import LE_CHAN, created, patient
from tests.running_service import RunningService


@pytest.fixture(scope="module")
async def hurried(demo_database: Database) -> AsyncIterator[RunningService]:
    """A service with two connections, for which nobody waits long."""
    async with serve(demo_database.dsn, size=2, patience=0.2, statement_seconds=1) as running:
        yield running


def check_transient(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "transient")


async def test_a_pool_with_nothing_free_is_answered_and_recovers(hurried: RunningService) -> None:
    station = await hurried.system(LE_CHAN)
    who = await created(station, patient())
    async with contextlib.AsyncExitStack() as all_of_them:
        for _ in range(2):
            await all_of_them.enter_async_context(hurried.store.reading(None))
        check_transient(await station.get(f"Patient/{who['id']}"))
        check_transient(await station.get("Patient"))
        check_transient(await station.post("Patient", json=patient()))
    assert (await station.get(f"Patient/{who['id']}")).status_code == 200


async def test_a_row_that_somebody_holds_is_answered_and_stays_as_it_was(
    hurried: RunningService, demo_database: Database
) -> None:
    station = await hurried.system(LE_CHAN)
    who = await created(station, patient())
    address, changed = f"Patient/{who['id']}", patient(id=who["id"], gender="male")
    owner = await asyncpg.connect(demo_database.owner_dsn)
    async with owner.transaction():
        await owner.execute("SELECT FROM document WHERE type = 'Patient' AND id = $1 FOR UPDATE", who["id"])
        check_transient(await station.put(address, json=changed))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        assert await owner.fetchval(waiting) == 0
        # Reading waits for nobody.
        assert (await station.get(address)).json()["meta"]["versionId"] == "1"
    await owner.close()
    answer = await station.put(address, json=changed)
    assert (answer.status_code, answer.json()["meta"]["versionId"]) == (200, "2")


async def test_a_table_that_somebody_holds_is_answered(
    hurried: RunningService, demo_database: Database
) -> None:
    station = await hurried.system(LE_CHAN)
    who = await created(station, patient())
    owner = await asyncpg.connect(demo_database.owner_dsn)
    async with owner.transaction():
        await owner.execute("LOCK TABLE document")
        check_transient(await station.get(f"Patient/{who['id']}"))
    await owner.close()
    assert (await station.get(f"Patient/{who['id']}")).status_code == 200


async def test_large_writes_take_turns_and_leave_connections_to_all_others(service: RunningService) -> None:
    station = await service.system(LE_CHAN)
    names = [{"family": f"Nguyễn {number}", "text": "x" * 500} for number in range(150)]
    async with service.store.large_writes, service.store.large_writes:
        large = asyncio.create_task(station.post("Patient", json=patient(name=names)))
        for _ in range(3):
            assert (await station.post("Patient", json=patient())).status_code == 201
        assert not large.done()
    assert (await large).status_code == 201
