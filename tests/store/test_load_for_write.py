"""What a command reads and a page brings along is as much however much is stored: PostgreSQL counts it."""

from referral.store.change_set import WriteRequest, load_for_write
from referral.store.pool import Connection, Store
from referral.store.statements import statement
from tests.conftest import Database
from tests.owner import behind_the_wall
from tests.store.commands import HOSPITAL, STATION, Hub
from tests.store.test_messages import placed

# As many again of everything that one referral leaves, of the same parties.
_MULTIPLY = """
INSERT INTO referral SELECT (r2).* FROM referral r, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(r, jsonb_build_object('id', 'r' || n, 'number', 'X' || n, 'journey', 'X' || n)) AS r2)
  more;
INSERT INTO offer SELECT (o2).* FROM offer o, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(o, jsonb_build_object('id', 't' || n, 'referral', 'r' || n)) AS o2) more;
INSERT INTO document SELECT (d2).* FROM document d, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(d, jsonb_build_object('id', left(d.type, 1) || n)) AS d2) more
  WHERE d.type IN ('Patient', 'ServiceRequest', 'Task');
INSERT INTO access SELECT (a2).* FROM access a, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(a, jsonb_build_object('id', left(a.type, 1) || n)) AS a2) more;
INSERT INTO search_token SELECT (s2).* FROM search_token s, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(s, jsonb_build_object('id', left(s.type, 1) || n, 'code', n)) AS s2) more;
INSERT INTO search_reference SELECT (s2).* FROM search_reference s, generate_series(1, 1200) n, LATERAL
  (SELECT jsonb_populate_record(s, jsonb_build_object('id', left(s.type, 1) || n)) AS s2) more
  WHERE s.type IN ('ServiceRequest', 'Task');
"""


async def rows_read(connection: Connection) -> dict[str, int]:
    rows = await connection.fetch(
        "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
    )
    return dict(rows)


async def test_a_move_reads_no_more_rows_among_thousands_of_referrals(store: Store):
    hub = Hub(store)
    await hub.prepare()
    asked, task = await placed(hub)
    (patient,) = asked["subject"].values()
    request = WriteRequest(
        actor=HOSPITAL,
        update=[("Task", task["id"])],
        references=[
            ("ServiceRequest", asked["id"]),
            ("Patient", patient.removeprefix("Patient/")),
            ("Organization", STATION),
        ],
        identifiers=[(["Patient"], "urn:test:patient", "P0")],
    )
    async with store.writing(HOSPITAL) as connection:
        await load_for_write(connection, request)
    async with behind_the_wall(store) as owner:
        await owner.execute(_MULTIPLY)
        # As autovacuum does within a minute; the plans that stand are made again.
        await owner.execute("ANALYZE")
    async with store.writing(HOSPITAL) as connection:
        # What this connection did before may be among the counts.
        before = await rows_read(connection)
        loaded = await load_for_write(connection, request)
        included = await connection.fetch(
            statement("search", "included"),
            *(HOSPITAL, "Task", [task["id"]], ["focus"], [None], [], [], ["ServiceRequest"], 10),
        )
        after = await rows_read(connection)
    assert set(loaded.offers) == {task["id"]}
    assert [row["id"] for row in included] == [asked["id"]]
    read = {table: rows - before.get(table, 0) for table, rows in after.items()}
    touched = {table: rows for table, rows in read.items() if rows}
    assert 0 < sum(touched.values()) < 300, touched


async def test_a_whole_move_reads_no_more_rows_among_thousands_of_referrals(store: Store, database: Database):
    """From the message with the move to its commit, on the one connection there is."""
    one = await Store.open(database.dsn, size=1)
    try:
        hub = Hub(one)
        await hub.prepare()
        _, task = await placed(hub)
        async with behind_the_wall(one) as owner:
            await owner.execute(_MULTIPLY)
            await owner.execute("ANALYZE")
        before = await _rows_read_ever(one)
        (accepted,) = await hub.write(HOSPITAL, hub.change(task, status="accepted"))
        after = await _rows_read_ever(one)
    finally:
        await one.close()
    assert accepted.version == 2
    touched = {table: rows - before[table] for table, rows in after.items() if rows > before[table]}
    assert touched["document"] > 0
    assert sum(touched.values()) < 300, touched


async def _rows_read_ever(store: Store) -> dict[str, int]:
    """By all connections that are done, and by this store's only one until now."""
    async with store.reading(None) as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
    async with behind_the_wall(store) as owner:
        rows = await owner.fetch(
            "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables"
        )
    return dict(rows)
