"""Seals over the audit: every row in one of them, and whatever is changed afterwards is found and named."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from referral.actions.verify_audit import AuditReport, verify_audit
from referral.domain.audit import AuditAction, AuditRecord
from referral.store.audit import record_audit, seal_audit
from referral.store.audit_reading import MARK, find_lines, find_seals
from referral.store.owner import as_owner
from referral.store.pool import Store
from tests.conftest import Database

NOW = datetime(2026, 3, 1, 23, 59, 59, 500_000, tzinfo=UTC)
TODAY, TOMORROW = NOW.date(), NOW.date() + timedelta(days=1)
SQL = "INSERT INTO audit (at, actor, client, action) VALUES ($1, 'a', 'b', 'create')"

Owner = asyncpg.Connection


@pytest.fixture
async def owner(store: Store, database: Database) -> AsyncIterator[Owner]:
    """Who may do everything to the tables, and no row in them."""
    connection = await asyncpg.connect(database.owner_dsn)
    yield connection
    await connection.close()


def a_read(number: int, **more: Any) -> AuditRecord:
    names = {"name": f"Trần {number}", "say": '"\\\u0001'}
    return AuditRecord(
        NOW, "station", "ehr", AuditAction.READ, "Patient", f"p{number}", 1, query=str(names), **more
    )


async def record(store: Store, *records: AuditRecord) -> None:
    async with store.writing(None) as connection:
        await record_audit(connection, records)


async def seal(store: Store, now: datetime = NOW) -> None:
    """Seal once."""
    async with store.writing(None) as connection:
        await seal_audit(connection, now)


async def sealed(store: Store, owner: Owner, now: datetime = NOW) -> None:
    """Seal until all is: a transaction anywhere in the cluster may hold it up."""
    open_rows = "SELECT count(*) FROM audit a WHERE NOT EXISTS (SELECT FROM audit_seal WHERE seqs @> a.seq)"
    while await owner.fetchval(open_rows):
        await seal(store, now)


async def verify(database: Database, **more: Any) -> AuditReport:
    async with as_owner(database.owner_dsn) as connection:
        return await verify_audit(connection, more.pop("day", None), **more)


async def faults(database: Database, **more: Any) -> list[str]:
    """What does not agree; rows by their numbers alone."""
    found = (await verify(database, **more)).faults
    return [re.sub(r" \(AuditEvent [0-9a-f]{16}\)", "", line) for line in found]


async def chain(store: Store, owner: Owner) -> list[int]:
    """Three days of three seals of three rows each; the numbers of the rows."""
    for day in range(3):
        for _ in range(3):
            await record(store, *(a_read(number) for number in range(3)))
            await sealed(store, owner, NOW + timedelta(days=day))
    return [row["seq"] for row in await owner.fetch("SELECT seq FROM audit ORDER BY seq")]


async def test_what_is_not_changed_agrees(store: Store, owner: Owner, database: Database):
    await chain(store, owner)
    report = await verify(database)
    assert (report.faults, report.days, report.seals, report.rows, report.unsealed) == ([], 3, 9, 27, 0)
    report = await verify(database, day=TOMORROW)
    assert (report.faults, report.days, report.seals, report.rows) == ([], 1, 3, 9)


async def test_a_row_is_told_as_not_sealed_until_it_is(store: Store, owner: Owner, database: Database):
    await chain(store, owner)
    await record(store, a_read(1))
    report = await verify(database)
    assert (report.faults, report.unsealed, report.unsealed_since) == ([], 1, NOW)
    await sealed(store, owner)
    assert (await verify(database)).unsealed == 0


CHANGES = [
    *(
        (f"UPDATE audit SET {change} WHERE seq = $1", "row {} was changed")
        for change in (
            "actor = 'other'",
            "client = NULL",
            "action = 'search'",
            "type = 'Task'",
            "id = 'p9'",
            "version = 2",
            "outcome = 404",
            "patient = 'x'",
            "query = query || ' '",
            "address = '10.0.0.1'",
            "request_id = 'x'",
            "details = '{}'",
            "at = at + interval '1 microsecond'",
            "txid = '3'",
        )
    ),
    ("DELETE FROM audit WHERE seq = $1", "row {} is gone"),
]


@pytest.mark.parametrize(("sql", "told"), CHANGES, ids=[sql[:40] for sql, _ in CHANGES])
async def test_a_row_that_was_changed_is_named(
    store: Store, owner: Owner, database: Database, sql: str, told: str
):
    seqs = await chain(store, owner)
    changed = seqs[13]
    await owner.execute(sql, changed)
    fault = f"{TOMORROW}, seal 2: {told.format(changed)}"
    assert await faults(database) == [fault]
    assert await faults(database, day=TOMORROW) == [fault]
    assert await faults(database, day=TODAY) == []


async def test_two_rows_that_changed_places_are_named(store: Store, owner: Owner, database: Database):
    seqs = await chain(store, owner)
    first, second = seqs[3], seqs[4]
    await owner.execute("ALTER TABLE audit ALTER seq SET GENERATED BY DEFAULT")
    for old, new in ((first, -1), (second, first), (-1, second)):
        await owner.execute("UPDATE audit SET seq = $2 WHERE seq = $1", old, new)
    await owner.execute("ALTER TABLE audit ALTER seq SET GENERATED ALWAYS")
    assert await faults(database) == [
        f"{TODAY}, seal 2: row {first} was changed",
        f"{TODAY}, seal 2: row {second} was changed",
    ]


async def test_a_row_that_was_put_in_behind_is_named(store: Store, owner: Owner, database: Database):
    await owner.fetchval("SELECT nextval(pg_get_serial_sequence('audit', 'seq'))")
    seqs = await chain(store, owner)
    await owner.execute(
        "INSERT INTO audit (seq, at, action, txid) OVERRIDING SYSTEM VALUE"
        " SELECT $1, at, 'read', txid FROM audit WHERE seq = $2",
        seqs[0] - 1,
        seqs[5],
    )
    await seal(store)
    assert await faults(database) == [
        f"{TODAY}, row {seqs[0] - 1}: it is in no seal, and came after its turn"
    ]


async def test_who_seals_again_what_was_changed_is_told_by_the_next_seal(
    store: Store, owner: Owner, database: Database
):
    seqs = await chain(store, owner)
    await owner.execute("UPDATE audit SET outcome = 404 WHERE seq = $1", seqs[13])
    first, second = [seal async for seal in find_seals(owner, TOMORROW, TOMORROW)][:2]
    lines = [line for _, line in sorted((await find_lines(owner, second)).items())]
    marks = b"".join(sha256(line.encode()).digest()[:MARK] for line in lines)
    await owner.execute("UPDATE audit_seal SET marks = $1 WHERE hash = $2", marks, second.hash)
    broken = "it does not agree with its rows and the seal before it"
    assert await faults(database) == [f"{TOMORROW}, seal 2: {broken}"]
    text = "".join(f"{line}\n" for line in (second.head, *lines))
    forged = sha256(first.hash + text.encode()).digest()
    await owner.execute("UPDATE audit_seal SET hash = $1 WHERE hash = $2", forged, second.hash)
    assert await faults(database) == [f"{TOMORROW}, seal 3: {broken}"]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM audit_seal WHERE day = $1 AND number = 2", "seal 3: the seal before it is missing"),
        ("DELETE FROM audit_seal WHERE day = $1 AND number = 1", "seal 2: the seal before it is missing"),
        (
            "UPDATE audit_seal SET rows = 2 WHERE day = $1 AND number = 1",
            "seal 1: the list of its rows was changed",
        ),
        (
            "UPDATE audit_seal SET sealed_at = sealed_at - interval '1 hour' WHERE day = $1 AND number = 1",
            "seal 1: it does not agree with its rows and the seal before it",
        ),
        (
            "UPDATE audit_seal SET hash = sha256(hash) WHERE day = $1 AND number = 2",
            "seal 2: it does not agree with its rows and the seal before it",
        ),
    ],
)
async def test_a_changed_seal_is_named(store: Store, owner: Owner, database: Database, sql: str, told: str):
    await chain(store, owner)
    await owner.execute(sql, TOMORROW)
    assert (await faults(database))[0] == f"{TOMORROW}, {told}"


@pytest.mark.parametrize("part", ["[1,9e18)", "[-9e18,9e18)", "[1,)", "(,1)", "(,)"])
async def test_a_seal_that_names_more_rows_than_there_are_is_named_without_counting_them(
    store: Store, owner: Owner, database: Database, part: str
):
    await chain(store, owner)
    part = part.replace("9e18", f"{9 * 10**18}")
    await owner.execute(
        "UPDATE audit_seal SET seqs = $1::text::int8multirange WHERE day = $2 AND number = 2",
        f"{{{part}}}",
        TOMORROW,
    )
    fault = f"{TOMORROW}, seal 2: the list of its rows was changed"
    assert fault in await faults(database, day=TOMORROW)


async def test_a_removed_day_is_missed_with_and_without_its_rows(
    store: Store, owner: Owner, database: Database
):
    seqs = await chain(store, owner)
    await owner.execute("DELETE FROM audit_seal WHERE day = $1", TOMORROW)
    told = await faults(database)
    after = f"{TOMORROW + timedelta(days=1)}, seal 1: it does not agree with its rows and the seal before it"
    assert told[0] == after
    assert [line for line in told if "row" in line and "no seal" in line] == told[1:]
    assert len(told) == 10
    await owner.execute("DELETE FROM audit WHERE seq BETWEEN $1 AND $2", seqs[9], seqs[17])
    assert await faults(database) == [after]


async def test_the_end_of_the_chain_is_missed_by_who_has_kept_its_seals(
    store: Store, owner: Owner, database: Database
):
    seqs = await chain(store, owner)
    kept = {
        (row["day"], row["number"]): row["hash"].hex()
        for row in await owner.fetch("SELECT day, number, hash FROM audit_seal")
    }
    assert await faults(database, kept=kept) == []
    last = TODAY + timedelta(days=2)
    await owner.execute("DELETE FROM audit_seal WHERE day = $1 AND number = 3", last)
    await owner.execute("DELETE FROM audit WHERE seq >= $1", seqs[24])
    assert await faults(database) == []
    assert await faults(database, kept=kept) == [
        f"{last}, seal 3: it was exported, and is not there any more"
    ]
    assert await faults(database, kept=kept, day=TODAY) == []
    kept[TODAY, 1] = "00"
    assert (await faults(database, kept=kept, day=TODAY)) == [
        f"{TODAY}, seal 1: it is not the one that was exported"
    ]


async def test_a_row_in_two_seals_is_found(store: Store, owner: Owner, database: Database):
    seqs = await chain(store, owner)
    await owner.execute(
        "UPDATE audit_seal SET seqs = seqs + int8multirange(int8range($1, $1, '[]'))"
        " WHERE day = $2 AND number = 1",
        seqs[0],
        TOMORROW,
    )
    assert f"{TOMORROW}, seal 1: another seal has a row of it too" in await faults(database)


async def test_a_day_ends_by_the_clock_and_never_begins_again(store: Store, owner: Owner, database: Database):
    for moment in (NOW, NOW + timedelta(seconds=1), NOW, NOW - timedelta(days=30)):
        await record(store, a_read(1))
        await sealed(store, owner, moment)
    places = [
        (row["day"], row["number"])
        for row in await owner.fetch("SELECT day, number FROM audit_seal ORDER BY 1, 2")
    ]
    assert places == [(TODAY, 1), (TOMORROW, 1), (TOMORROW, 2), (TOMORROW, 3)]
    assert await faults(database) == []


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=2000)])
async def test_a_clock_that_is_ahead_puts_no_seal_into_the_future(
    store: Store, owner: Owner, database: Database, ahead: timedelta
):
    await record(store, a_read(1))
    await sealed(store, owner, datetime.now(UTC) + ahead)
    late = "SELECT count(*) FROM audit_seal WHERE sealed_at > clock_timestamp() OR day > sealed_at::date"
    assert await owner.fetchval(late) == 0
    assert await faults(database) == []


@pytest.mark.parametrize("day", ["2999-05-05", "9999-12-31", "infinity"])
async def test_the_first_seal_of_a_day_to_come_is_named(
    store: Store, owner: Owner, database: Database, day: str
):
    await chain(store, owner)
    await owner.execute("UPDATE audit_seal SET day = $1::text::date WHERE day = $2", day, TOMORROW)
    told = [line for line in await faults(database) if line.endswith("lies in the future")]
    shown = day if day[0].isdigit() else "9999-12-31"
    assert told == [f"{shown}, seal 1: its day or time lies in the future"]


async def test_a_seal_of_a_time_to_come_is_named(store: Store, owner: Owner, database: Database):
    await chain(store, owner)
    to_come = "now() + interval '1 hour'"
    await owner.execute(
        f"UPDATE audit_seal SET sealed_at = {to_come} WHERE day = $1 AND number = 2", TOMORROW
    )
    assert f"{TOMORROW}, seal 2: its day or time lies in the future" in await faults(database)


async def test_a_transaction_that_is_still_open_is_waited_for(store: Store, owner: Owner, database: Database):
    await record(store, a_read(1))
    await sealed(store, owner)
    async with store.writing("station") as slow:
        await slow.execute(SQL, NOW)
        await record(store, a_read(2))
        await seal(store)
        # The younger one could be sealed only before the older one, which nobody else can see yet.
        assert await owner.fetchval("SELECT sum(rows) FROM audit_seal") == 1
    await sealed(store, owner)
    assert await owner.fetchval("SELECT sum(rows) FROM audit_seal") == 3
    assert await faults(database) == []


async def test_only_one_seals_at_a_time(store: Store, owner: Owner):
    await record(store, a_read(1))
    async with store.writing(None) as first, store.writing(None) as second:
        await first.fetchval("SELECT pg_advisory_xact_lock(hashtext('referral.seal_audit'))")
        assert await seal_audit(second, NOW) is False
    assert await owner.fetchval("SELECT count(*) FROM audit_seal") == 0


async def test_sixteen_writers_and_two_sealers_leave_every_row_in_one_seal(
    store: Store, owner: Owner, database: Database
):
    writing = True

    async def write(writer: int) -> None:
        through = await asyncpg.connect(database.dsn)
        for turn in range(12):
            async with through.transaction():
                await through.execute(SQL, NOW)
                await asyncio.sleep(0.001 * (writer % 5))
                await through.execute(SQL, NOW)
            if turn % 4 == 0:
                gone = through.transaction()
                await gone.start()
                await through.execute(SQL, NOW)
                await gone.rollback()
        await through.close()

    async def go_on_sealing() -> None:
        while writing:
            await seal(store)

    sealers = [asyncio.create_task(go_on_sealing()) for _ in range(2)]
    await asyncio.gather(*(write(writer) for writer in range(16)))
    writing = False
    await asyncio.gather(*sealers)
    await sealed(store, owner)
    in_seals = await owner.fetch(
        "SELECT a.seq, count(*) AS times FROM audit a JOIN audit_seal s ON s.seqs @> a.seq GROUP BY a.seq"
    )
    assert len(in_seals) == 16 * 12 * 2
    assert {row["times"] for row in in_seals} == {1}
    report = await verify(database)
    assert (report.faults, report.rows, report.unsealed) == ([], 384, 0)
    assert report.seals > 1


async def test_many_rows_are_sealed_in_parts(store: Store, owner: Owner, database: Database):
    """Also those that were there before there were seals, in the form of 0.1.0."""
    await owner.execute("INSERT INTO audit (at, action) SELECT $1, 'create' FROM generate_series(1, 25)", NOW)
    # Those that were there first take three looks; what came since, none.
    for part in (10, 10, 10, 0):
        async with store.writing(None) as connection:
            assert await connection.fetchval("SELECT seal_audit($1, 10)", NOW) == part
    sizes = [row["rows"] for row in await owner.fetch("SELECT rows FROM audit_seal ORDER BY number")]
    assert sizes == [10, 10, 5]
    await owner.execute("INSERT INTO audit (at, action) SELECT $1, 'create' FROM generate_series(1, 25)", NOW)
    await sealed(store, owner)
    assert await faults(database) == []


async def test_sealing_a_few_rows_does_not_read_all_of_them(store: Store, owner: Owner, database: Database):
    """Also by the plan of a session that has sealed often, which knows nothing of how many they are."""
    await owner.execute(
        "INSERT INTO audit (at, action) SELECT $1, 'create' FROM generate_series(1, 60000)", NOW
    )
    await sealed(store, owner)
    looked = 0
    # Until no other transaction is in its way.
    while not looked:
        await record(store, *(a_read(number) for number in range(5)))
        # Of its own: what a session counted before may still stand there.
        fresh = await asyncpg.connect(database.owner_dsn)
        await fresh.execute("SET plan_cache_mode = force_generic_plan")
        async with fresh.transaction():
            looked = await fresh.fetchval("SELECT seal_audit($1, 10000)", NOW)
            read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'audit'"
            assert await fresh.fetchval(read) < 1000
        await fresh.close()


SERVICE_CANNOT = [
    "SELECT FROM audit",
    "UPDATE audit SET id = id",
    "DELETE FROM audit",
    "TRUNCATE audit",
    *(
        f"{what} audit_{name}{rest}"
        for name in ("seal", "progress")
        for what, rest in (("SELECT FROM", ""), ("DELETE FROM", ""), ("TRUNCATE", ""))
    ),
    "INSERT INTO audit_seal SELECT",
    "UPDATE audit_seal SET rows = 1",
    "UPDATE audit_progress SET to_seq = 1",
    "INSERT INTO audit_progress DEFAULT VALUES",
]


@pytest.mark.parametrize("sql", SERVICE_CANNOT)
async def test_the_service_appends_and_can_do_nothing_else(store: Store, sql: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with store.writing("station") as connection:
            await connection.execute(sql)
