"""How long the pool waits, and for how many: what takes too long ends in the server, and frees its locks."""

import asyncio

import asyncpg
import pytest

from referral.domain.errors import StoreUnavailable
from referral.store.pool import Store
from tests.conftest import Database

INSERT = "INSERT INTO audit (at, action) VALUES (now(), 'half')"


@pytest.fixture
async def hurried(database: Database, store: Store):
    """One connection, whose statements may take a second, and wait for a lock half of it."""
    only = await Store.open(database.dsn, size=1, statement_seconds=1)
    yield only
    await only.close()


async def works(store: Store) -> bool:
    async with store.reading(None) as connection:
        return await connection.fetchval("SELECT 1") == 1


async def test_a_statement_that_takes_too_long_is_told_and_leaves_nothing(hurried: Store, database: Database):
    with pytest.raises(StoreUnavailable):
        async with hurried.writing(None) as connection:
            await connection.execute("SELECT pg_sleep(60)")
    owner = await asyncpg.connect(database.owner_dsn)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    assert await owner.fetchval(running) == 0
    await owner.close()
    assert await works(hurried)


async def test_a_lock_that_nobody_frees_is_told_and_waited_for_no_longer(hurried: Store, database: Database):
    owner = await asyncpg.connect(database.owner_dsn)
    async with owner.transaction():
        await owner.execute("LOCK TABLE facility")
        with pytest.raises(StoreUnavailable):
            async with hurried.reading(None) as connection:
                await connection.fetch("SELECT FROM facility")
        assert await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0
    await owner.close()
    assert await works(hurried)


async def test_a_transaction_that_goes_no_further_is_ended(hurried: Store, database: Database):
    owner = await asyncpg.connect(database.owner_dsn)

    async def goes_no_further() -> None:
        async with hurried.writing(None) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(424242)")
            # Another gets the lock while this one still believes to have it.
            await owner.execute("SELECT pg_advisory_lock(424242)")
            await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await goes_no_further()
    await owner.close()
    assert await works(hurried)


async def test_so_many_wait_for_a_connection_and_no_more(database: Database, store: Store):
    only = await Store.open(database.dsn, size=1)
    async with only.reading(None):
        waiting = [asyncio.create_task(works(only)) for _ in range(100)]
        while only.use.waiting < 100:  # noqa: ASYNC110 - told by nothing else
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await works(only)
        assert only.use.waiting == 100
    assert all(await asyncio.gather(*waiting))
    assert only.use.waiting == 0
    await only.close()


async def test_each_statement_is_told_by_its_name_after_its_end(database: Database, store: Store):
    told: list[tuple[str, bool]] = []
    watched = await Store.open(
        database.dsn, size=1, watch=lambda name, seconds, failed: told.append((name, failed))
    )
    told.clear()
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with watched.writing("station-1") as connection:
            await connection.execute("SELECT 1 / 0 AS secret")
    await asyncio.sleep(0)  # told by the loop, after the statement
    assert told == [("BEGIN", False), ("SELECT", True), ("ROLLBACK", False)]
    await watched.close()
