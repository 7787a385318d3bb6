"""`referral migrate`, on a database of its own."""

from pathlib import Path

import asyncpg
import pytest

from referral.store.schema import NEWEST
from tests.cli.program import Program
from tests.conftest import Database


@pytest.fixture
async def empty(superuser_dsn: str, database: Database) -> Database:
    """A database without a schema."""
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("DROP DATABASE IF EXISTS to_migrate")
    await mighty.execute("CREATE DATABASE to_migrate OWNER referral_owner")
    await mighty.close()
    place = ("@/referral?", "@/to_migrate?")
    return Database(database.dsn.replace(*place), database.owner_dsn.replace(*place))


async def test_makes_the_schema_of_an_external_database_and_takes_it_away(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(empty.dsn)
    monkeypatch.setenv("DATABASE_OWNER_URL", empty.owner_dsn)
    for _ in range(2):
        done = await program.run("migrate")
        assert done.stdout == f"The database is at revision {NEWEST}.\n", done.stderr
        assert done.returncode == 0
        assert (await program.run("client", "list")).stdout == "No client is registered.\n"
    assert (await program.run("migrate", "--to", "base")).returncode == 0
    done = await program.run("client", "list")
    assert done.returncode == 2
    assert done.stderr.startswith("referral: ")


async def test_an_unknown_revision_is_one_line(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", empty.owner_dsn)
    done = await Program(empty.dsn).run("migrate", "--to", "no-such")
    assert done.returncode == 2
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1


async def test_an_external_database_needs_its_owner(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    done = await Program(database.dsn).run("migrate")
    assert done.returncode == 2
    assert "DATABASE_OWNER_URL" in done.stderr


async def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = await Program("").run("migrate", "--data", str(tmp_path / "file" / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1
