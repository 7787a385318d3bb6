"""A migration that is killed at some moment: the process, its connection, PostgreSQL itself.

What is left is a schema as a whole migration leaves it, and the next one goes on from there.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from referral.embedded import EmbeddedPostgres
from referral.store.migrate import migrate
from referral.store.schema import NEWEST
from scripts.superuser import superuser_dsn
from tests.store.test_migrations import shape

# Has everything imported; for each address it reads it forks a child that migrates, and prints its number.
_MIGRATORS = """
import os, sys
from referral.store.migrate import migrate
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            os._exit(migrate(line.strip()) == "never")
        except Exception as failure:
            print(failure, file=sys.stderr, flush=True)
            os._exit(3)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_LONGEST = 0.25  # seconds from the first sight of a migration until it is killed; it takes about that long


class Migrators:
    """Starts migrations as processes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    def start(self, dsn: str) -> int:
        """The number of a process that begins to migrate."""
        print(dsn, file=self._in, flush=True)
        return int(self._out.readline())

    def result(self) -> int:
        """Its exit code, when it has ended."""
        return int(self._out.readline())


@pytest.fixture(scope="module")
def migrators() -> Iterator[Migrators]:
    command = [sys.executable, "-c", _MIGRATORS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Migrators(process)
        assert process.stdin
        process.stdin.close()


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster that may be killed, and what a whole migration to each revision leaves in it."""

    postmaster: Path
    server: EmbeddedPostgres
    superuser: str
    shapes: dict[str, set[tuple[str, ...]]]

    def address(self, name: str) -> str:
        """Of a database, as its owner."""
        return self.server.owner_dsn.replace("@/referral?", f"@/{name}?")


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="referral-tests-") as name:
        home = Path(name) / "postgres"
        home.parent.chmod(0o755)
        with EmbeddedPostgres.open(home.parent) as server:
            superuser = superuser_dsn(home.parent, server)
            made = Ground(home / "cluster/postmaster.pid", server, superuser, {})
            await run(superuser, "CREATE DATABASE whole OWNER referral_owner")
            reached = "base"
            made.shapes[reached] = await shape(made.address("whole"))
            while reached != NEWEST:
                reached = migrate(made.address("whole"), "+1")
                made.shapes[reached] = await shape(made.address("whole"))
            yield made


@pytest.fixture
async def address(ground: Ground) -> AsyncIterator[str]:
    """Of a new database, as its owner."""
    await run(ground.superuser, "CREATE DATABASE interrupted OWNER referral_owner")
    yield ground.address("interrupted")
    await run(ground.superuser, "DROP DATABASE interrupted WITH (FORCE)")


async def run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def backend_of_migration(superuser: str) -> int:
    """The server process that migrates, as soon as there is one."""
    connection = await asyncpg.connect(superuser)
    try:
        while True:
            found = await connection.fetchval(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            )
            if found is not None:
                return int(found)
            await asyncio.sleep(0.002)
    finally:
        await connection.close()


@pytest.mark.parametrize("start", ["base", "0001"])
@pytest.mark.parametrize(
    ("victim", "seed"), [("process", 1), ("process", 2), ("connection", 1), ("connection", 2), ("server", 1)]
)
async def test_leaves_a_whole_schema_and_the_next_goes_on(
    ground: Ground, address: str, migrators: Migrators, *, victim: str, start: str, seed: int
) -> None:
    migrate(address, start)
    moment = random.Random(f"{victim} {start} {seed}").uniform(0, _LONGEST)

    process = migrators.start(address)
    backend = await backend_of_migration(ground.superuser)
    await asyncio.sleep(moment)
    with contextlib.suppress(ProcessLookupError):  # it was faster
        match victim:
            case "process":
                os.kill(process, signal.SIGKILL)
            case "connection":
                await run(ground.superuser, f"SELECT pg_terminate_backend({backend}, 5000)")
            case "server":
                os.kill(int(ground.postmaster.read_text().splitlines()[0]), signal.SIGKILL)
    assert await asyncio.to_thread(migrators.result) in {0, 3, -signal.SIGKILL}
    await asyncio.to_thread(ground.server.ensure_running)

    # A server process whose client is gone finds out at the end of its statement.
    await run(ground.superuser, f"SELECT pg_terminate_backend({backend}, 5000)")
    revision = migrate(address, "+0")
    assert await shape(address) == ground.shapes[revision], revision
    assert migrate(address) == NEWEST
    assert await shape(address) == ground.shapes[NEWEST]
