"""Records wait in memory until they are written; none is dropped, and none is written over and over."""

import asyncio
import io
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import structlog

from referral.actions import keep_audit
from referral.actions.keep_audit import AuditTrail, kept_audit
from referral.app import configure_logging
from referral.domain.audit import AuditAction, AuditRecord
from referral.domain.errors import StoreUnavailable
from referral.store.pool import Connection, Store
from tests.conftest import Database
from tests.owner import behind_the_wall

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
NAME = "Quách-Thiên-Lý"
PATIENCE = 30
GRANT = "GRANT EXECUTE ON FUNCTION record_audit(jsonb) TO referral_service"


def a_search(number: int) -> AuditRecord:
    return AuditRecord(NOW, "station", "ehr", AuditAction.SEARCH, "Patient", query=f"name={NAME}&n={number}")


async def stored(store: Store) -> list[dict[str, Any]]:
    async with behind_the_wall(store) as connection:
        rows = await connection.fetch("SELECT action, query, outcome, details::text FROM audit ORDER BY seq")
    return [dict(row) for row in rows]


async def until_stored(store: Store, times: int) -> list[dict[str, Any]]:
    """The rows once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while len(rows := await stored(store)) < times:
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.02)
    return rows


@asynccontextmanager
async def busy(database: Database, patience: float = 0.05) -> AsyncIterator[tuple[Store, asyncio.Event]]:
    """A store of one connection, which is in use until the event is set."""
    single = await Store.open(database.dsn, size=1, patience=patience)
    free, taken = asyncio.Event(), asyncio.Event()

    async def use() -> None:
        async with single.reading(None):
            taken.set()
            await free.wait()

    using = asyncio.create_task(use())
    await taken.wait()
    yield single, free
    free.set()
    await using
    await single.close()


async def test_all_that_waits_is_written_in_its_order(store: Store):
    trail = AuditTrail()
    for number in range(12_000):
        trail.add(a_search(number))
    await trail.flush(store, NOW)
    assert len(trail) == 0
    assert [row["query"] for row in await stored(store)] == [f"name={NAME}&n={n}" for n in range(12_000)]
    await trail.flush(store, NOW)
    assert len(await stored(store)) == 12_000


async def test_what_cannot_be_written_waits_and_at_last_there_is_no_room(store: Store, database: Database):
    trail = AuditTrail(most=2_000)
    async with busy(database) as (single, free):
        while trail.has_room:
            trail.add(a_search(len(trail)))
        waiting = len(trail)
        assert waiting > 1
        with pytest.raises(StoreUnavailable):
            await trail.flush(single, NOW)
        assert (len(trail), trail.has_room) == (waiting, False)
        free.set()
        await asyncio.sleep(0)
        await trail.flush(single, NOW)
    assert trail.has_room
    assert len(await stored(store)) == waiting


async def test_of_many_strangers_the_first_are_kept_and_the_others_counted(store: Store):
    trail = AuditTrail()
    stranger = AuditRecord(NOW, None, None, AuditAction.READ, outcome=401)
    for _ in range(250):
        trail.add_stranger(stranger)
    trail.add(a_search(1))
    await trail.flush(store, NOW)
    rows = await stored(store)
    assert [row["action"] for row in rows] == [*["read"] * 100, "search", "refused"]
    assert json.loads(rows[-1]["details"]) == {"more": 150}
    trail.add_stranger(stranger)
    await trail.flush(store, NOW)
    assert len(await stored(store)) == 103


async def test_strangers_take_no_more_memory_the_longer_the_store_is_away(store: Store, database: Database):
    trail = AuditTrail(most=100_000)
    stranger = AuditRecord(NOW, None, None, AuditAction.READ, outcome=401)
    async with busy(database) as (single, free):
        for _ in range(5):
            for _ in range(150):
                trail.add_stranger(stranger)
            with pytest.raises(StoreUnavailable):
                await trail.flush(single, NOW)
        assert trail.has_room
        free.set()
        await asyncio.sleep(0)
        await trail.flush(single, NOW)
    rows = await stored(store)
    assert [row["action"] for row in rows] == [*["read"] * 100, *["refused"] * 5]
    assert sum(json.loads(row["details"])["more"] for row in rows[100:]) == 650


async def test_strangers_find_no_room_where_there_is_none(store: Store):
    trail = AuditTrail(most=2_000)
    while trail.has_room:
        trail.add(a_search(len(trail)))
    full = len(trail)
    trail.add_stranger(AuditRecord(NOW, None, None, AuditAction.TOKEN, outcome=401))
    assert len(trail) == full
    # Told of as soon as there is room again.
    for _ in range(2):
        await trail.flush(store, NOW)
    rows = await stored(store)
    assert [row["action"] for row in rows] == [*["search"] * full, "refused"]
    assert json.loads(rows[-1]["details"]) == {"more": 1}


async def test_it_is_written_soon_and_what_is_left_at_the_end(store: Store):
    trail = AuditTrail()
    async with kept_audit(store, trail, lambda: NOW, lambda: None):
        trail.add(a_search(1))
        await until_stored(store, 1)
        trail.add(a_search(2))
    assert [row["query"] for row in await stored(store)] == [f"name={NAME}&n=1", f"name={NAME}&n=2"]
    async with behind_the_wall(store) as connection:
        assert await connection.fetchval("SELECT sum(rows) FROM audit_seal") >= 1


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, as `serve` writes it."""
    found, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", found)
    configure_logging("INFO")
    yield found
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_a_failure_is_told_once_without_a_record_and_ends_by_itself(
    store: Store, database: Database, log: io.StringIO
):
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(GRANT.replace("GRANT", "REVOKE").replace("TO", "FROM"))
    trail = AuditTrail()
    try:
        async with kept_audit(store, trail, lambda: NOW, lambda: None):
            trail.add(a_search(1))
            deadline = time.monotonic() + PATIENCE
            while "audit_failed" not in log.getvalue():
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            trail.add(a_search(2))
            await owner.execute(GRANT)
            await until_stored(store, 2)
    finally:
        await owner.execute(GRANT)
        await owner.close()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["audit_failed", "audit_resumed"]
    assert lines[0]["error"] == "InsufficientPrivilegeError"
    assert NAME not in log.getvalue()
    assert len(await stored(store)) == 2


async def test_records_that_are_lost_at_the_end_are_told(store: Store, database: Database, log: io.StringIO):
    trail = AuditTrail()
    async with busy(database) as (single, _), kept_audit(single, trail, lambda: NOW, lambda: None):
        trail.add(a_search(1))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["audit_interrupted", "audit_incomplete"]
    assert lines[-1]["lost"] == 1


async def test_where_nothing_is_lost_nothing_is_told_at_the_end(
    store: Store, database: Database, log: io.StringIO
):
    async with (
        busy(database, patience=3600) as (single, _),
        kept_audit(single, AuditTrail(), lambda: NOW, lambda: 0),
    ):
        pass
    assert log.getvalue() == ""


async def test_a_store_that_says_nothing_is_not_waited_for_at_the_end(
    store: Store, database: Database, log: io.StringIO
):
    trail = AuditTrail()
    async with busy(database, patience=3600) as (single, _):
        async with kept_audit(single, trail, lambda: NOW, lambda: 0):
            trail.add(a_search(1))
        (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["event"], line["lost"]) == ("audit_incomplete", 1)


async def test_a_keeper_that_failed_says_why_at_the_end(store: Store, database: Database, log: io.StringIO):
    """Here: what it has to tell cannot be written."""
    log.close()
    async with busy(database) as (single, _):
        with pytest.raises(ValueError, match="closed file"):
            async with kept_audit(single, AuditTrail(), lambda: NOW, lambda: None):
                pass


class Clock:
    """The keeper's clock, which stands still until a test turns it. Who runs already keeps the true one."""

    def __init__(self) -> None:
        self._others = asyncio.all_tasks()
        self._waits: asyncio.Queue[float] = asyncio.Queue()
        self._turns: asyncio.Queue[None] = asyncio.Queue()

    async def wait_for(self, stopped: Coroutine[Any, Any, Any], seconds: float) -> None:
        """In place of that of asyncio."""
        if asyncio.current_task() in self._others:
            await asyncio.wait_for(stopped, seconds)
            return
        self._waits.put_nowait(seconds)
        either = {asyncio.create_task(stopped), asyncio.create_task(self._turns.get())}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in either:
            task.cancel()
        raise TimeoutError

    async def next_wait(self) -> float:
        """How long it means to wait, once it has done all that was to be done before."""
        async with asyncio.timeout(PATIENCE):
            return await self._waits.get()

    def let_pass(self) -> None:
        """As if it had waited."""
        self._turns.put_nowait(None)


async def test_what_is_read_is_written_within_half_a_second_and_sealed_within_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    """The promise of docs/operations.md ("the last second", "once a second") and decision 0006."""
    clock, seals = Clock(), 0

    async def seal_audit(connection: Connection, now: datetime) -> bool:
        nonlocal seals
        seals += 1
        return await sealing(connection, now)

    sealing = keep_audit.seal_audit
    monkeypatch.setattr(keep_audit, "seal_audit", seal_audit)
    monkeypatch.setattr(
        keep_audit, "asyncio", SimpleNamespace(**vars(asyncio) | {"wait_for": clock.wait_for})
    )
    trail, passed = AuditTrail(), 0.0
    async with kept_audit(store, trail, lambda: NOW, lambda: None):
        wait = await clock.next_wait()
        number = 0
        while passed < 3:
            number += 1
            trail.add(a_search(number))
            assert wait <= 0.5
            passed += wait
            clock.let_pass()
            wait = await clock.next_wait()
            assert len(await stored(store)) == number
            assert seals >= int(passed)
