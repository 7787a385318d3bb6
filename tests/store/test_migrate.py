"""A migration among others: several at once, tables in use, rights that are missing, wrong wishes."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from referral.domain.errors import StoreUnavailable
from referral.store import migrate as module
from referral.store.migrate import migrate
from referral.store.schema import NEWEST, RELATIONS
from tests.conftest import Database
from tests.own_database import ask, own_database
from tests.store.test_migrations import shape

_MIGRATE = "import sys; from referral.store.migrate import migrate; print(migrate(sys.argv[1]))"
_WAITING = (
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND NOT l.granted"
)


@pytest.fixture
async def empty(superuser_dsn: str, database: Database) -> AsyncIterator[Database]:
    async with own_database(superuser_dsn, database, "to_be_migrated") as made:
        yield made


def refused(dsn: str, wish: str = "head") -> str:
    """The line of a refusal."""
    with pytest.raises(StoreUnavailable) as told:
        migrate(dsn, wish)
    assert "\n" not in str(told.value)
    return str(told.value)


async def until(dsn: str, question: str) -> None:
    """Returns when the answer is yes."""
    while True:
        if await ask(dsn, question):
            return
        await asyncio.sleep(0.02)


async def test_goes_up_and_down_to_where_it_is_told(empty: Database) -> None:
    for wish, reached in {
        "+1": "0001",
        "head": NEWEST,
        "0001": "0001",
        NEWEST: NEWEST,
        "-1": f"{int(NEWEST) - 1:04d}",
        "base": "base",
        "0002": "0002",
        "-2": "base",
    }.items():
        assert migrate(empty.owner_dsn, wish) == reached, wish
        assert migrate(empty.owner_dsn, "+0") == reached


async def test_what_is_no_revision_is_refused_and_changes_nothing(empty: Database) -> None:
    migrate(empty.owner_dsn, "0001")
    for wish in (
        "-2",
        "+9",
        "nonsense",
        "1",
        "0009",
        "",
        "-",
        "+",
        "--1",
        "-x",
        "-1-1",
        "²",
        "head~1",
        "0001:0002",
    ):
        line = refused(empty.owner_dsn, wish)
        assert line.startswith(f"There is no revision {wish} from 0001: there are base, 0001, "), wish
    assert migrate(empty.owner_dsn, "+0") == "0001"


async def test_of_several_at_once_one_migrates_and_the_others_wait(empty: Database) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MIGRATE, empty.owner_dsn),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        printed, errors = await process.communicate()
        assert (process.returncode, printed.decode()) == (0, f"{NEWEST}\n"), errors.decode()


async def test_one_that_is_under_way_elsewhere_is_waited_for(empty: Database) -> None:
    other = await asyncpg.connect(empty.owner_dsn)
    await other.execute("SELECT pg_advisory_lock(hashtext('referral.migrate'))")
    waiting = asyncio.create_task(asyncio.to_thread(migrate, empty.owner_dsn))
    done, _ = await asyncio.wait({waiting}, timeout=1)
    assert not done
    assert await ask(empty.owner_dsn, "SELECT to_regclass('document')") is None
    await other.close()
    assert await waiting == NEWEST


async def test_a_long_transaction_is_waited_for_and_the_service_goes_on(empty: Database) -> None:
    migrate(empty.owner_dsn, "0001")
    reader = await asyncpg.connect(empty.owner_dsn)
    await reader.execute("BEGIN; LOCK TABLE document IN ACCESS SHARE MODE")
    migrating = asyncio.create_task(asyncio.to_thread(migrate, empty.owner_dsn))
    await until(empty.owner_dsn, _WAITING)
    # Who comes behind the migration would wait with it for the reader, did it not give way.
    assert await ask(empty.owner_dsn, "SELECT count(*) FROM document") == 0
    assert await ask(empty.owner_dsn, "SELECT version_num FROM schema_revision") == "0001"
    assert not migrating.done()
    await reader.execute("COMMIT")
    await reader.close()
    assert await migrating == NEWEST


async def test_it_gives_up_in_the_end_and_has_changed_nothing(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TRIES", 2)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(module, "LOCK_WAIT", "20ms")
    for start in ("0001", "base"):
        migrate(empty.owner_dsn, start)
        before = await shape(empty.owner_dsn)
        reader = await asyncpg.connect(empty.owner_dsn)
        # The last thing that a migration does is to write down its revision.
        await reader.execute("BEGIN; LOCK TABLE schema_revision IN SHARE MODE")
        assert "other transactions keep its tables in use" in refused(empty.owner_dsn, "+1")
        await reader.close()
        assert migrate(empty.owner_dsn, "+0") == start
        assert await shape(empty.owner_dsn) == before


async def test_a_role_that_owns_nothing_is_told_so(empty: Database) -> None:
    line = refused(empty.dsn)
    assert line.startswith("The role referral_login of DATABASE_OWNER_URL may not change the schema")
    migrate(empty.owner_dsn)
    assert refused(empty.dsn, "base") == line
    assert migrate(empty.owner_dsn, "+0") == NEWEST


async def test_an_owner_of_the_database_but_not_of_its_tables_is_told_so(
    superuser_dsn: str, empty: Database
) -> None:
    migrate(empty.owner_dsn, "0001")
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute(
        "CREATE ROLE new_owner LOGIN PASSWORD 'new'; ALTER DATABASE to_be_migrated OWNER TO new_owner"
    )
    try:
        line = refused(re.sub(r"//[^@]*@", "//new_owner:new@", empty.owner_dsn))
        assert line == (
            "The role new_owner of DATABASE_OWNER_URL may not change the schema:"
            " access in the schema public belongs to referral_owner."
        )
    finally:
        await mighty.execute("ALTER DATABASE to_be_migrated OWNER TO referral_owner; DROP ROLE new_owner")
        await mighty.close()


async def test_a_table_of_another_role_beside_ours_is_left_alone(superuser_dsn: str, empty: Database) -> None:
    mighty = await asyncpg.connect(superuser_dsn, database="to_be_migrated")
    try:
        migrate(empty.owner_dsn, "0001")
        await mighty.execute("CREATE TABLE note (a int); BEGIN; LOCK TABLE note")
        for wish, reached in (("head", NEWEST), ("head", NEWEST), ("0001", "0001")):
            assert migrate(empty.owner_dsn, wish) == reached
    finally:
        await mighty.close()


@pytest.mark.parametrize("start", ["base", "0001"])
async def test_a_table_of_another_role_in_the_way_is_named(
    superuser_dsn: str, empty: Database, start: str
) -> None:
    migrate(empty.owner_dsn, start)
    mighty = await asyncpg.connect(superuser_dsn, database="to_be_migrated")
    name = "note" if start == "base" else "replay"
    await mighty.execute(f"CREATE TABLE {name} (a int)")
    await mighty.close()
    assert refused(empty.owner_dsn) == (
        "The role referral_owner of DATABASE_OWNER_URL may not change the schema:"
        f" {name} in the schema public belongs to postgres."
    )


async def test_the_relations_that_count_are_those_that_the_migrations_make(empty: Database) -> None:
    migrate(empty.owner_dsn)
    made = await ask(
        empty.owner_dsn,
        "SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i'"
        "  AND c.relkind = 'S')",
    )
    assert made == list(RELATIONS)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d", "Connect call failed"),
        ("postgresql://u:secret@/d?host=/nowhere/at/all", "No such file or directory"),
        ("postgresql://u:secret@127.0.0.1:banana/d", "banana"),
    ],
)
def test_no_server_there_is_one_line(address: str, reason: str) -> None:
    line = refused(address)
    assert reason in line
    assert "secret" not in line


async def test_a_wrong_password_is_one_line(empty: Database) -> None:
    line = refused(re.sub(r"//[^@]*@", "//referral_owner:wrong@", empty.owner_dsn))
    assert line == (
        'The database could not be migrated: password authentication failed for user "referral_owner"'
    )
