"""The pool: whose connection it is, and what happens when one dies."""

import asyncio

import asyncpg
import pytest

from referral.domain.errors import StoreUnavailable
from referral.store.pool import Store
from tests.conftest import Database
from tests.owner import behind_the_wall

ACTOR = "SELECT current_setting('referral.actor', true)"
PROCESS = "SELECT pg_backend_pid()"
HALF = "INSERT INTO audit (at, action) VALUES (now(), 'half')"


@pytest.fixture
async def single(database: Database, store: Store):
    """A store of one connection, so that each use follows the other on it."""
    only = await Store.open(database.dsn, size=1)
    yield only
    await only.close()


async def kill(superuser_dsn: str, process: int) -> None:
    """End the server process of a connection and wait until it is gone."""
    mighty = await asyncpg.connect(superuser_dsn)
    assert await mighty.fetchval("SELECT pg_terminate_backend($1, 5000)", process)
    await mighty.close()


async def test_each_use_has_its_own_actor_on_the_same_connection(single: Store):
    async with single.reading("station-1") as connection:
        process = await connection.fetchval(PROCESS)
        assert await connection.fetchval(ACTOR) == "station-1"
    async with single.writing("hospital-1") as connection:
        assert await connection.fetchval(PROCESS) == process
        assert await connection.fetchval(ACTOR) == "hospital-1"
    async with single.reading(None) as connection:
        assert await connection.fetchval(ACTOR) == ""
    async with single.writing(None) as connection:
        assert await connection.fetchval(ACTOR) == ""


async def test_a_use_that_fails_leaves_neither_its_actor_nor_its_transaction(single: Store):
    for use in (single.reading, single.writing):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with use("station-1") as connection:
                await connection.execute("SELECT 1 / 0")
        async with single.writing(None) as connection:
            assert await connection.fetchval(ACTOR) == ""


async def test_an_actor_is_a_value_and_never_a_statement(single: Store):
    name = "o'hara'); DROP TABLE audit; --\\"
    async with single.reading(name) as connection:
        assert await connection.fetchval(ACTOR) == name
    async with single.writing(name) as connection:
        assert await connection.fetchval(ACTOR) == name
        await connection.execute("SELECT FROM client")


async def test_what_is_written_is_there_afterwards_and_what_failed_is_not(single: Store):
    insert = "INSERT INTO audit (at, action) VALUES (now(), $1)"
    async with single.writing(None) as connection:
        await connection.execute(insert, "kept")

    async def give_up() -> None:
        async with single.writing(None) as connection:
            await connection.execute(insert, "given up")
            raise LookupError

    with pytest.raises(LookupError):
        await give_up()
    async with behind_the_wall(single) as connection:
        assert await connection.fetchval("SELECT array_agg(action) FROM audit") == ["kept"]


async def asleep(superuser_dsn: str) -> None:
    """Wait until a statement sleeps in the server: a cancel that comes before it is lost."""
    mighty = await asyncpg.connect(superuser_dsn)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while await mighty.fetchval(sleeping) == 0:
        # Nothing tells when another session has begun to sleep.
        await mighty.execute("SELECT pg_stat_clear_snapshot()")
    await mighty.close()


async def test_a_cancelled_use_gives_back_a_clean_connection(single: Store, superuser_dsn: str):
    async def wait_long() -> None:
        async with single.writing("station-1") as connection:
            await connection.execute("INSERT INTO audit (at, action) VALUES (now(), 'cancelled')")
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(wait_long())
    await asleep(superuser_dsn)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with single.writing(None) as connection:
        assert await connection.fetchval(ACTOR) == ""
    async with behind_the_wall(single) as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit") == 0


async def test_a_connection_that_died_idle_is_replaced(single: Store, superuser_dsn: str):
    async with single.reading(None) as connection:
        process = await connection.fetchval(PROCESS)
    await kill(superuser_dsn, process)
    # Whether the end was noticed before this use or by it depends on the moment; the use after it works.
    try:
        async with single.reading(None) as connection:
            assert await connection.fetchval(PROCESS) != process
    except StoreUnavailable:
        pass
    async with single.reading(None) as connection:
        assert await connection.fetchval(PROCESS) != process


@pytest.mark.parametrize("use", ["reading", "writing"])
async def test_a_connection_that_dies_in_use_is_told_and_replaced(
    single: Store, superuser_dsn: str, use: str
):
    async def broken() -> None:
        async with getattr(single, use)("station-1") as connection:
            if use == "writing":
                await connection.execute(HALF)
            await kill(superuser_dsn, await connection.fetchval(PROCESS))
            await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await broken()
    async with single.writing(None) as connection:
        assert await connection.fetchval(ACTOR) == ""
    async with behind_the_wall(single) as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit") == 0


async def test_a_connection_that_dies_before_the_commit_is_told_and_leaves_nothing(
    single: Store, superuser_dsn: str
):
    async def broken() -> None:
        async with single.writing("station-1") as connection:
            await connection.execute(HALF)
            await kill(superuser_dsn, await connection.fetchval(PROCESS))

    with pytest.raises(StoreUnavailable):
        await broken()
    async with behind_the_wall(single) as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit") == 0


async def test_a_connection_that_dies_in_the_middle_of_a_statement_is_told(single: Store, superuser_dsn: str):
    async def broken() -> None:
        async with single.writing("station-1") as connection:
            process = await connection.fetchval(PROCESS)
            killing = asyncio.create_task(kill(superuser_dsn, process))
            try:
                await connection.execute("SELECT pg_sleep(60)")
            finally:
                await killing

    with pytest.raises(StoreUnavailable):
        await broken()
    async with single.reading(None) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_all_connections_in_use_is_an_answer_and_not_a_hang(database: Database):
    hurried = await Store.open(database.dsn, size=1, patience=0.05)
    async with hurried.reading(None):
        for use in (hurried.reading, hurried.writing):
            with pytest.raises(StoreUnavailable):
                async with use("station-1"):
                    pytest.fail("there is but one connection")
    async with hurried.reading(None) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await hurried.close()


async def test_no_server_is_told_in_one_line():
    with pytest.raises(StoreUnavailable) as told:
        await Store.open("postgresql://somebody:secret@127.0.0.1:1/referral")
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


async def test_a_value_that_cannot_be_sent_leaves_no_lock_behind(single: Store, superuser_dsn: str):
    async with single.reading(None) as connection:
        process = await connection.fetchval(PROCESS)
    with pytest.raises(asyncpg.DataError):
        async with single.reading(None) as connection:
            await connection.fetch("SELECT FROM network_version WHERE version = $1", "no number")
    mighty = await asyncpg.connect(superuser_dsn)
    assert not await mighty.fetch("SELECT FROM pg_locks WHERE pid = $1 AND locktype = 'relation'", process)
    await mighty.close()
