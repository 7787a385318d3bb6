"""`referral work`: the clocks as a process of their own, ended at any moment, and several of them."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import IO

import asyncpg
import pytest

from referral.actions.import_network import import_network
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from tests.cli import ready
from tests.conftest import Database, serve
from tests.factories import KIEN_AN, offered
from tests.own_database import own_database
from tests.store.test_waiting_offers import until

BASE = "http://hub.example"


@contextlib.contextmanager
def working(dsn: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """The process once it says that the clocks run, and its log; killed at the end where it still runs."""
    command = [sys.executable, "-m", "referral", "work", "--base-url", BASE]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "DATABASE_URL": dsn},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            log.seek(0)
            assert said == "the clocks run\n", log.read()
            yield process, log
        finally:
            process.kill()


@pytest.fixture(scope="module")
async def owned(superuser_dsn: str, database: Database) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """A database with the demo network, and a connection of its owner."""
    async with own_database(superuser_dsn, database, "worked") as own:
        migrate(own.owner_dsn)
        store = await Store.open(own.dsn, size=2)
        folder = resources.files("referral.exchange").joinpath("networks", "haiphong")
        with resources.as_file(folder) as files:
            await import_network(store, read_network(files), datetime.now(UTC))
        await store.close()
        owner = await asyncpg.connect(own.owner_dsn)
        try:
            yield own, owner
        finally:
            await owner.close()


# A referral many times, each long overdue.
MANY = 1500


async def _multiply(owner: asyncpg.Connection, referral: str) -> None:
    async with owner.transaction():
        await owner.execute(
            "INSERT INTO referral SELECT (jsonb_populate_record(r, jsonb_build_object("
            "'id', 'm' || n, 'number', 'm' || n, 'journey', 'm' || n))).*"
            " FROM referral r, generate_series(1, $2::int) n WHERE r.id = $1",
            referral,
            MANY,
        )
        await owner.execute(
            "INSERT INTO document (type, id, version, updated_at, content, owner)"
            " SELECT d.type, 'm' || n, d.version, d.updated_at, d.content, d.owner"
            " FROM document d, generate_series(1, $2::int) n WHERE d.type = 'ServiceRequest' AND d.id = $1",
            referral,
            MANY,
        )
        await owner.execute(
            "INSERT INTO deadline SELECT (jsonb_populate_record(k, jsonb_build_object("
            "'referral', 'm' || n, 'offer', NULL,"
            " 'next_at', CASE k.slot WHEN 'slip' THEN now() - interval '1 day' END))).*"
            " FROM deadline k, generate_series(1, $2::int) n WHERE k.referral = $1",
            referral,
            MANY,
        )


async def test_each_is_warned_of_once_though_a_worker_is_killed_in_the_middle(
    owned: tuple[Database, asyncpg.Connection],
) -> None:
    database, owner = owned
    async with serve(database.dsn) as service:
        case = await offered(service, priority="stat")
    await _multiply(owner, case.request["id"])
    warned = "SELECT count(*) FROM event WHERE move = 'warn'"

    async def some() -> bool:
        return bool(await owner.fetchval(warned) > 0)

    async def none_left() -> bool:
        return not await owner.fetchval("SELECT count(*) FROM deadline WHERE next_at <= now()")

    with working(database.dsn) as (killed, _), working(database.dsn) as (other, log):
        await until(some)
        killed.send_signal(signal.SIGKILL)
        await until(none_left)
        other.send_signal(signal.SIGTERM)
        assert other.wait(30) == 0
        log.seek(0)
        assert "error" not in log.read()
    assert await owner.fetchval(warned) == MANY
    assert await owner.fetchval("SELECT count(DISTINCT referral) FROM event WHERE move = 'warn'") == MANY
    assert await owner.fetchval("SELECT count(*) FROM deadline WHERE stage = 1") == MANY


async def test_a_stat_referral_that_nobody_saw_is_on_the_office_s_worklist(
    owned: tuple[Database, asyncpg.Connection],
) -> None:
    """The service runs the clocks itself, unless told otherwise."""
    database, owner = owned
    async with serve(database.dsn, with_clocks=True) as service:
        case = await offered(service, priority="stat")
        # Time cannot be moved here: the row says what it would say after twenty minutes.
        await owner.execute(
            "UPDATE deadline SET due_at = now() - interval '10 min', escalate_at = now(), next_at = now()"
            " WHERE referral = $1 AND slot = 'step'",
            case.request["id"],
        )

        async def told() -> bool:
            return bool(
                await owner.fetchval(
                    "SELECT count(*) = 1 FROM deadline WHERE referral = $1 AND slot = 'office'",
                    case.request["id"],
                )
            )

        await until(told)
        assert case.receiver_id == KIEN_AN


def test_it_needs_to_know_the_address_of_the_service() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "referral", "work"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "REFERRAL_BASE_URL": ""},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("referral: REFERRAL_BASE_URL is not set")


def test_a_directory_without_a_database_or_a_network_is_refused(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    mistyped, empty = tmp_path / "dtaa", tmp_path / "data"
    made = ready.run(("migrate", "--data", str(empty)), environment)
    assert made.returncode == 0, made.stderr
    for directory, why in ((mistyped, "holds no database"), (empty, "there is no network here")):
        refused = ready.run(("work", "--data", str(directory), "--base-url", BASE), environment)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
        assert why in refused.stderr
    assert not mistyped.exists()
