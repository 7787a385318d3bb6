"""The schema up and down with data in it, and what its two roles may do."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import resources
from urllib.parse import urlsplit

import asyncpg
import pytest

from referral.actions.import_network import import_network
from referral.domain.errors import StoreUnavailable
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import Case, arrived, completed, completion, created, offered, summary

APPEND_ONLY = ("event", "change", "audit", "document_version")


@pytest.fixture
async def empty(superuser_dsn: str, database: Database) -> AsyncIterator[Database]:
    """A database of its own, not yet migrated."""
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("CREATE DATABASE migrated OWNER referral_owner")
    yield Database(
        database.dsn.replace("@/referral?", "@/migrated?"),
        database.owner_dsn.replace("@/referral?", "@/migrated?"),
    )
    await mighty.execute("DROP DATABASE migrated WITH (FORCE)")
    await mighty.close()


async def shape(dsn: str) -> set[tuple[str, ...]]:
    """All that a migration leaves: columns, indexes, constraints, functions, sequences, grants."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        """
        SELECT 'column', table_name || '.' || column_name, data_type || ' ' || coalesce(column_default, '')
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
          WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'relation', relname, relkind::text || ' ' || coalesce(relacl::text, '') FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema_revision%'
        """
    )
    await connection.close()
    return {tuple(row) for row in rows if not row[1].startswith("schema_revision")}


async def rows_of(dsn: str, table: str) -> int:
    connection = await asyncpg.connect(dsn)
    found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    await connection.close()
    return found


async def fill(database: Database) -> None:
    """The demo network, and referrals under way and at their end."""
    store = await Store.open(database.dsn, size=2)
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as folder:
        await import_network(store, read_network(folder), datetime.now(UTC))
    await store.close()
    async with serve(database.dsn) as service:
        await offered(service)
        await completed(service, "returned-to-referrer")


async def test_up_and_down_and_up_again_with_data_in_it(empty: Database):
    migrate(empty.owner_dsn)
    first = await shape(empty.owner_dsn)
    await fill(empty)
    assert await rows_of(empty.owner_dsn, "event") > 10
    migrate(empty.owner_dsn)
    assert await rows_of(empty.owner_dsn, "event") > 10
    migrate(empty.owner_dsn, "base")
    assert await shape(empty.owner_dsn) == set()
    migrate(empty.owner_dsn)
    assert await shape(empty.owner_dsn) == first
    assert await rows_of(empty.owner_dsn, "event") == 0
    await fill(empty)


async def test_journeys_that_ended_before_are_judged_as_those_of_today(empty: Database):
    migrate(empty.owner_dsn)
    await fill(empty)
    async with serve(empty.dsn) as service:
        for disposition, outcome in (
            ("discharged", "cured"),
            ("left-on-request", "unchanged"),
            ("died", "died"),
        ):
            case = await arrived(service)
            letter = await created(case.receiver, summary(case.patient["id"]))
            parts = completion(letter["id"], disposition, outcome)
            await case.moved(case.receiver, "completed", output=parts)
            await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
        back = await completed(service, "returned-to-referrer")
        await back.moved(back.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
        for text in ("patient-declined", "no-transport"):
            await cancelled(await offered(service), text)
    owner = await asyncpg.connect(empty.owner_dsn)
    told = "SELECT loop, reason, count(*) FROM journey GROUP BY 1, 2 ORDER BY 1, 2"
    before = [tuple(row) for row in await owner.fetch(told)]
    assert before == [
        ("closed", "discharged", 1),
        ("closed-without-return", "declined", 2),
        ("closed-without-return", "died", 1),
        ("closed-without-return", "gave-up", 1),
    ]
    migrate(empty.owner_dsn, "0004")
    # As it was before: the log did not tell what became of the patient.
    await owner.execute("UPDATE event SET reason_code = NULL WHERE move = 'complete'")
    migrate(empty.owner_dsn)
    assert [tuple(row) for row in await owner.fetch(told)] == before
    await owner.close()


async def cancelled(case: Case, code: str) -> None:
    """Take the referral back for this reason."""
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    reason = {"coding": [{"code": code}], "text": "So it is"}
    stored = await case.referral()
    answer = await case.sender.put(
        f"ServiceRequest/{stored['id']}",
        json=stored
        | {
            "status": "revoked",
            "extension": [*stored["extension"], {"url": url, "valueCodeableConcept": reason}],
        },
        headers={"If-Match": f'W/"{stored["meta"]["versionId"]}"'},
    )
    assert answer.status_code == 200, answer.text


async def test_a_policy_becomes_a_version_and_the_one_of_today_is_left(empty: Database):
    migrate(empty.owner_dsn, "0004")
    owner = await asyncpg.connect(empty.owner_dsn)
    first = "INSERT INTO network VALUES ('n', 'N', 'NN', '{\"a\": 1}', '2026-01-01')"
    await owner.execute(first)
    migrate(empty.owner_dsn)
    told = "SELECT number, valid_from, mapping->>'a' FROM policy_version ORDER BY number"
    assert [tuple(row) for row in await owner.fetch(told)] == [(1, None, "1")]
    for number, days in ((2, -9), (3, -1), (4, 30)):
        await owner.execute(
            "INSERT INTO policy_version VALUES ('n', $1, current_date + $2::int, $3, now(), 'test')",
            number,
            days,
            f'{{"a": {number}}}',
        )
    migrate(empty.owner_dsn, "0004")
    assert await owner.fetchval("SELECT policy->>'a' FROM network") == "3"
    await owner.close()


async def test_what_is_not_migrated_is_refused_in_one_line(empty: Database):
    with pytest.raises(StoreUnavailable) as told:
        migrate(empty.owner_dsn, "nonsense")
    assert "\n" not in str(told.value)
    with pytest.raises(StoreUnavailable, match="not migrated") as told:
        await Store.open(empty.dsn)
    assert "\n" not in str(told.value)


async def test_the_service_owns_nothing_and_is_nothing_special(database: Database):
    owner = await asyncpg.connect(database.owner_dsn)
    role = await owner.fetchrow(
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles"
        " WHERE rolname = 'referral_service'"
    )
    assert role is not None
    assert not any(role.values())
    owned = await owner.fetch(
        "SELECT relname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname = ANY ($1::text[])"
        " UNION ALL"
        " SELECT proname FROM pg_proc JOIN pg_roles r ON r.oid = proowner WHERE rolname = ANY ($1::text[])",
        ["referral_service", "referral_login"],
    )
    assert owned == []
    await owner.close()


async def test_the_service_appends_to_what_happened_and_never_changes_it(database: Database):
    owner = await asyncpg.connect(database.owner_dsn)
    tables = [
        row[0] for row in await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    kept = [table for table in tables if re.fullmatch(rf"({'|'.join(APPEND_ONLY)})(_\d+)?", table)]
    assert set(APPEND_ONLY) < set(kept)
    for table in kept:
        for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
            for role in ("referral_service", "referral_login"):
                assert not await owner.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table, right)
        assert not await owner.fetchval(
            "SELECT has_any_column_privilege('referral_service', $1, 'UPDATE')", table
        )
    for table in tables:
        assert not await owner.fetchval(
            "SELECT has_table_privilege('referral_service', $1, 'TRUNCATE')", table
        )
    await owner.close()


@pytest.mark.parametrize(
    "sql",
    [
        *(f"UPDATE {table} SET id = id" for table in APPEND_ONLY),
        *(f"DELETE FROM {table}" for table in APPEND_ONLY),
        "TRUNCATE audit",
        "DELETE FROM document",
        "DELETE FROM referral",
        "DELETE FROM offer",
        "DELETE FROM access",
        "UPDATE schema_revision SET version_num = '0000'",
        "ALTER TABLE audit ADD COLUMN more text",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "DROP TABLE audit",
        "DROP FUNCTION is_visible(text, text, text)",
        "CREATE TABLE mine (id text)",
        "CREATE OR REPLACE FUNCTION is_visible(text, text, text) RETURNS boolean RETURN true",
        "SET ROLE referral_owner",
    ],
)
async def test_the_service_cannot(store: Store, sql: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with store.writing(None) as connection:
            await connection.execute(sql)


async def test_the_owner_of_the_tables_is_no_role_for_the_service(
    superuser_dsn: str, database: Database
) -> None:
    """Neither the owner nor who has its rights: no policy would hold it."""
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("CREATE ROLE heir LOGIN PASSWORD 'heir' IN ROLE referral_owner, referral_service")
    try:
        parts = urlsplit(database.dsn)
        heir = parts._replace(netloc=f"heir:heir@{parts.hostname or ''}").geturl()
        for dsn in (database.owner_dsn, heir):
            with pytest.raises(StoreUnavailable, match="must be an ordinary member"):
                await Store.open(dsn)
    finally:
        await mighty.execute("DROP ROLE heir")
        await mighty.close()


@pytest.mark.parametrize(
    ("options", "of_the_service"),
    [("", False), ("SUPERUSER", False), ("BYPASSRLS", True), ("SUPERUSER", True)],
)
async def test_a_login_that_is_no_ordinary_member_is_refused_in_one_line(
    superuser_dsn: str, database: Database, options: str, of_the_service: bool
):
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute(f"CREATE ROLE passer_by LOGIN {options} PASSWORD 'guest'")
    if of_the_service:
        await mighty.execute("GRANT referral_service TO passer_by")
    dsn = re.sub(r"//[^@]*@", "//passer_by:guest@", database.dsn)
    try:
        with pytest.raises(StoreUnavailable, match=r"passer_by.*referral_service") as told:
            await Store.open(dsn)
        assert "\n" not in str(told.value)
    finally:
        await mighty.execute("DROP ROLE passer_by")
        await mighty.close()
