"""What a service that ends, or is killed, leaves in the audit."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from referral.store.pool import Store
from tests.api.audited import audited, named
from tests.cli.test_serve import PATIENCE, Serving, _serve
from tests.conftest import Database
from tests.factories import LE_CHAN, created, patient
from tests.owner import behind_the_wall
from tests.running_service import RunningService


@pytest.fixture
async def store(demo_database: Database) -> AsyncIterator[Store]:
    """The demo's database, whatever becomes of the service on it."""
    store = await Store.open(demo_database.dsn, size=2)
    yield store
    await store.close()


@asynccontextmanager
async def served(
    store: Store, demo_database: Database, folder: Path
) -> AsyncIterator[tuple[Serving, httpx.AsyncClient]]:
    """A process of its own, and the system of a station that uses it."""
    environment = {"DATABASE_URL": demo_database.dsn}
    with _serve(folder / "data", **environment) as serving:
        running = RunningService(serving.url, store)
        yield serving, await running.system(LE_CHAN)
        await running.close()


async def test_a_service_that_is_stopped_writes_what_waits(
    store: Store, demo_database: Database, tmp_path: Path
) -> None:
    headers = [named() for _ in range(20)]
    async with served(store, demo_database, tmp_path) as (serving, station):
        who = await created(station, patient())
        for one in headers:
            assert (await station.get(f"Patient/{who['id']}", headers=one)).status_code == 200
        serving.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.process.wait, PATIENCE) == 0
        for one in headers:
            (row,) = await audited(store, one)
            assert row["patient"] == who["id"]
    assert "audit_" not in (tmp_path / "log").read_text()


async def kept(store: Store) -> set[tuple[str, str]]:
    """Request id and action of each row."""
    async with behind_the_wall(store) as connection:
        rows = await connection.fetch("SELECT request_id, action FROM audit")
    return {(row["request_id"], row["action"]) for row in rows}


async def test_a_service_that_is_killed_loses_no_write_and_of_reads_the_last(
    store: Store, demo_database: Database, tmp_path: Path
) -> None:
    writes: set[tuple[str, str]] = set()
    readers: list[list[tuple[str, str]]] = [[], []]
    async with served(store, demo_database, tmp_path) as (serving, station):
        who = await created(station, patient())

        async def read(done: list[tuple[str, str]]) -> None:
            while True:
                headers = named()
                await station.get(f"Patient/{who['id']}", headers=headers)
                done.append((headers["X-Request-ID"], "read"))

        async def write() -> None:
            while True:
                headers = named()
                answer = await station.post("Patient", json=patient(), headers=headers)
                assert answer.status_code == 201, answer.text
                writes.add((headers["X-Request-ID"], "create"))

        using = [asyncio.create_task(work) for work in (*map(read, readers), write(), write())]
        deadline = time.monotonic() + PATIENCE
        while not (len(writes) >= 40 and all(readers) and {done[0] for done in readers} <= await kept(store)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        serving.process.kill()
        for task in using:
            with contextlib.suppress(httpx.TransportError):
                await task
    left = await kept(store)
    assert writes <= left
    for done in readers:
        known = [one in left for one in done]
        # They are written in their order: what is lost is at the end.
        assert known == sorted(known, reverse=True)
        assert known[0]
