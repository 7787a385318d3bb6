"""The processes of a run: PostgreSQL on a small disk, and two services, one of which keeps it running."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from referral.embedded import EmbeddedError, EmbeddedPostgres
from referral.embedded.account import find_account, run_as
from referral.embedded.place import find_binaries
from scripts.superuser import superuser_dsn

_START_SECONDS = 60
_STOP_SECONDS = 10
_RELATIONS = "SELECT c.oid::regclass::text AS relation FROM pg_class c"
_TABLES = f"{_RELATIONS} WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_INDEXES = f"""
    {_RELATIONS} JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
"""
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Database:
    """The embedded PostgreSQL of a folder."""

    folder: Path
    embedded: EmbeddedPostgres

    @property
    def superuser_dsn(self) -> str:
        """Of the cluster's superuser."""
        return superuser_dsn(self.folder, self.embedded, "referral")

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return (self.folder / "postgres" / "socket" / ".s.PGSQL.5432").resolve()

    @property
    def cluster(self) -> Path:
        """PGDATA."""
        return self.folder / "postgres" / "cluster"

    def processes(self) -> list[int]:
        """Numbers of the server's processes, the postmaster's first; none where it does not run."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            postmaster = int((self.cluster / "postmaster.pid").read_text().splitlines()[0])
            process = Path(f"/proc/{postmaster}")
            # The number may be another process's by now.
            if (process / "cwd").readlink() == self.cluster.resolve():
                children = (process / "task" / str(postmaster) / "children").read_text()
                return [postmaster, *map(int, children.split())]
        return []

    def stop(self, mode: str) -> None:
        """Stop it as `pg_ctl` does, `fast` or `immediate`; the second too where the first takes too long."""
        account = find_account(self.cluster)
        program = str(find_binaries(account) / "pg_ctl")
        for way in dict.fromkeys((mode, "immediate")):
            command = ("-D", str(self.cluster), "-m", way, "-t", str(_STOP_SECONDS))
            if run_as(account, program, "stop", "--wait", "--silent", *command)[0] == 0:
                return

    async def ensure_running(self) -> None:
        """Start it again where it died, as often as it takes."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                await asyncio.to_thread(self.embedded.ensure_running)
            except EmbeddedError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def execute(self, statement: str) -> None:
        """Run a statement as the superuser."""
        connection = await asyncpg.connect(self.superuser_dsn, timeout=5)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def damaged(self) -> list[tuple[str, str]]:
        """Name of each table or index that is damaged, and what PostgreSQL's own checks say of it."""
        found = []
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            await connection.execute("CREATE EXTENSION amcheck")
            for row in await connection.fetch(_TABLES):
                faults = await connection.fetch("SELECT msg FROM verify_heapam($1)", row["relation"])
                found += [(row["relation"], fault["msg"]) for fault in faults]
            for row in await connection.fetch(_INDEXES):
                try:
                    # With every row of the table looked up in it.
                    await connection.execute("SELECT bt_index_check($1, true)", row["relation"])
                except asyncpg.PostgresError as fault:
                    found.append((row["relation"], str(fault)))
        finally:
            await connection.close()
        return found


@dataclass(slots=True)
class Service:
    """One `referral serve` on a port that is kept for it."""

    name: str
    base_url: str
    data: Path
    log: Path
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "referral", "serve", "--data", str(self.data)]
        command += ["--port", str(self.port), "--base-url", self.base_url]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=os.environ | {"REFERRAL_LOG_LEVEL": "error"} | self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it by signal 9."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Let what is in flight finish; kill it where that takes too long."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()

    async def ready(self) -> bool:
        """Whether it answers and reaches its database."""
        try:
            async with httpx.AsyncClient(timeout=3) as http:
                answer = await http.get(f"http://127.0.0.1:{self.port}/readyz")
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    async def wait_ready(self) -> bool:
        """Wait until it is ready, and start it where it ended; whether it is in time."""
        deadline = time.monotonic() + _START_SECONDS
        while not await self.ready():
            if time.monotonic() > deadline:
                return False
            self.start()
            await asyncio.sleep(0.1)
        return True
