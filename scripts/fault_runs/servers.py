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
from typing import Self

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
_TOLD = "SELECT move, count(*) FROM event WHERE client = $1 GROUP BY move ORDER BY move"
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

    async def told_by(self, client: str) -> dict[str, int]:
        """How often which move was made by this client."""
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            rows = await connection.fetch(_TOLD, client)
        finally:
            await connection.close()
        return {row["move"]: row["count"] for row in rows}

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
class Process:
    """One process of ours, started by `python -m` and these words."""

    words: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it where it does not run; returns at once."""
        if self.process is not None and self.process.poll() is None:
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.words],
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


@dataclass(slots=True)
class Service(Process):
    """One `referral serve` on a port that is kept for it."""

    port: int = 0

    @classmethod
    def on(cls, port: int, base_url: str, data: Path, log: Path, database_url: str = "") -> Self:
        """Not started yet. database_url: empty for the PostgreSQL of `data`, which it then keeps running."""
        words = ("referral", "serve", "--data", str(data), "--port", str(port), "--base-url", base_url)
        return cls(words, {"DATABASE_URL": database_url}, log, port=port)

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
