"""The seals after a dump is restored into another cluster, whose transactions have other numbers."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from referral.actions.verify_audit import verify_audit
from referral.domain.audit import AuditAction, AuditRecord
from referral.embedded import EmbeddedPostgres
from referral.embedded.place import find_binaries
from referral.store.audit import record_audit, seal_audit
from referral.store.owner import as_owner
from referral.store.pool import Store
from tests.conftest import Database

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
OPEN = "SELECT count(*) FROM audit a WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.seqs @> a.seq)"
TWICE = "SELECT count(*) FROM audit a WHERE (SELECT count(*) FROM audit_seal s WHERE s.seqs @> a.seq) > 1"


@pytest.fixture
def elsewhere() -> Iterator[Database]:
    """A cluster of its own, with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="referral-restored-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres.open(folder) as server:
            yield Database(server.dsn, server.owner_dsn)


def program(name: str, dsn: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; its own settings come from the address alone."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    done = subprocess.run(
        [str(find_binaries(None) / name), f"--dbname={dsn}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


async def record(store: Store, times: int) -> None:
    for _ in range(times):
        async with store.writing(None) as connection:
            await record_audit(connection, [AuditRecord(NOW, "station", "ehr", AuditAction.READ)] * 3)


async def seal_until_done(store: Store, owner: asyncpg.Connection) -> None:
    while await owner.fetchval(OPEN):
        async with store.writing(None) as connection:
            await seal_audit(connection, NOW)


async def test_a_restored_audit_agrees_and_goes_on(
    store: Store, database: Database, elsewhere: Database, tmp_path: Path
):
    old = await asyncpg.connect(database.owner_dsn)
    # So many transactions ahead of the other cluster that its own will pass the numbers of these rows.
    await old.execute(
        "DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )
    await record(store, 5)
    await seal_until_done(store, old)
    await record(store, 5)
    ahead = await old.fetchval("SELECT max(txid)::text::bigint FROM audit")
    await old.close()
    new = await asyncpg.connect(elsewhere.owner_dsn)
    await new.execute("CREATE ROLE referral_service NOLOGIN")
    await new.execute("GRANT referral_service TO referral_login")
    dump = tmp_path / "dump"
    program("pg_dump", database.owner_dsn, "--format=custom", f"--file={dump}")
    program("pg_restore", elsewhere.owner_dsn, "--no-owner", "--exit-on-error", str(dump))

    assert await new.fetchval("SELECT pg_current_xact_id()::text::bigint") < ahead
    async with as_owner(elsewhere.owner_dsn) as connection:
        report = await verify_audit(connection, None)
    assert (report.faults, report.rows, report.unsealed) == ([], 15, 15)

    restored = await Store.open(elsewhere.dsn, size=2)
    await record(restored, 2)
    await seal_until_done(restored, new)
    await record(restored, 2)
    await seal_until_done(restored, new)
    reach = f"WHILE pg_current_xact_id()::text::bigint < {ahead + 50} LOOP COMMIT; END LOOP"
    await new.execute(f"DO $$ BEGIN {reach}; END $$")
    await record(restored, 2)
    await seal_until_done(restored, new)
    async with restored.writing(None) as connection:
        await seal_audit(connection, NOW)
    await restored.close()
    assert await new.fetchval(TWICE) == 0
    async with as_owner(elsewhere.owner_dsn) as connection:
        report = await verify_audit(connection, None)
        assert (report.faults, report.rows, report.unsealed) == ([], 48, 0)
        # A seal that is gone leaves its rows behind, whatever the numbers of their transactions.
        await connection.execute("DELETE FROM audit_seal WHERE seqs @> (SELECT min(seq) FROM audit)")
        report = await verify_audit(connection, None)
        assert len([line for line in report.faults if re.search("row .* no seal", line)]) > 0
    await new.close()
