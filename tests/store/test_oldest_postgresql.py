"""The oldest PostgreSQL that is served, where it is installed: migrations there and back, and a referral."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from referral.embedded.account import find_account, run_as
from referral.store.migrate import migrate
from referral.store.schema import NEWEST, OLDEST_SERVER
from tests.conftest import Database
from tests.store.test_migrations import fill, rows_of

PROGRAMS = Path("/usr/lib/postgresql") / str(OLDEST_SERVER) / "bin"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a server of that version, for any role."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip(f"no PostgreSQL {OLDEST_SERVER} is installed")
    account = find_account(Path("/nowhere"))

    def run(program: str, *arguments: str) -> None:
        code, printed = run_as(account, str(PROGRAMS / program), *arguments)
        assert code == 0, printed

    with tempfile.TemporaryDirectory(prefix="referral-tests-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        run(
            "pg_ctl",
            "start",
            "-w",
            "-D",
            data,
            "-l",
            f"{data}/log",
            "-o",
            f"-k {folder} -c listen_addresses=",
        )
        try:
            yield f"@/{{}}?host={folder}"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "fast", "-D", data)


async def test_serves_and_migrates_there_and_back(address: str) -> None:
    mighty = await asyncpg.connect("postgresql://postgres" + address.format("postgres"))
    assert mighty.get_server_version().major == OLDEST_SERVER
    await mighty.execute("CREATE ROLE referral_owner LOGIN CREATEROLE")
    await mighty.execute("CREATE ROLE referral_login LOGIN")
    await mighty.execute("CREATE DATABASE referral OWNER referral_owner")
    await mighty.close()
    roles = ("postgresql://referral_login", "postgresql://referral_owner")
    database = Database(*(role + address.format("referral") for role in roles))
    assert migrate(database.owner_dsn) == NEWEST
    await fill(database)
    assert await rows_of(database.owner_dsn, "event") > 10
    assert migrate(database.owner_dsn, "0001") == "0001"
    assert migrate(database.owner_dsn) == NEWEST
    assert await rows_of(database.owner_dsn, "event") > 10
    assert migrate(database.owner_dsn, "base") == "base"
