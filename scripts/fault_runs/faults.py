"""What goes wrong in a run."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import asyncpg

from scripts.fault_runs.cuts import Relay
from scripts.fault_runs.disk import Disk
from scripts.fault_runs.servers import Database, Process, Service

_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'referral_login' AND random() < 0.7"
)


@dataclass(slots=True)
class World:
    """All that can fail."""

    dice: random.Random
    database: Database
    services: list[Service]
    workers: list[Process]
    """They run the clocks."""
    clients: Relay
    connections: Relay
    """Between a service and PostgreSQL."""
    disk: Disk


class Faults:
    """The kinds of faults, and an endless random order in which each kind comes as often as the others."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = world.dice
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "service killed": self._kill_service,
            "service stopped": self._stop_service,
            "worker killed": self._kill_worker,
            "PostgreSQL killed": self._kill_database,
            "PostgreSQL process killed": self._kill_backend,
            "PostgreSQL stopped, fast": self._stop_fast,
            "PostgreSQL stopped, immediate": self._stop_immediate,
            "sessions terminated": self._terminate,
            "clients cut off": self._cut_clients,
            "answers cut": self._cut_answers,
            "database answers cut": self._cut_database_answers,
        }
        if not world.disk.why_not:
            self.kinds["disk full"] = self._fill_disk

    def order(self) -> Iterator[str]:
        """Names of kinds: shuffled rounds of all of them."""
        while True:
            names = list(self.kinds)
            self._dice.shuffle(names)
            yield from names

    async def make(self, name: str) -> None:
        """Let it happen. What it stopped is down when this returns, or coming up by itself."""
        await self.kinds[name]()

    async def heal(self) -> bool:
        """Bring everything up again; whether it came."""
        self._world.disk.release()
        await self._world.database.ensure_running()
        for worker in self._world.workers:
            worker.start()
        return all([await service.wait_ready() for service in self._world.services])

    async def _wait(self, longest: float) -> None:
        await asyncio.sleep(self._dice.uniform(0, longest))

    async def _kill_service(self) -> None:
        self._dice.choice(self._world.services).kill()
        await self._wait(0.5)

    async def _stop_service(self) -> None:
        await asyncio.to_thread(self._dice.choice(self._world.services).stop)

    async def _kill_worker(self) -> None:
        self._dice.choice(self._world.workers).kill()
        await self._wait(0.5)

    async def _kill_database(self) -> None:
        for postmaster in self._world.database.processes()[:1]:
            _kill(postmaster)
        await self._wait(1)

    async def _kill_backend(self) -> None:
        children = self._world.database.processes()[1:]
        if children:
            _kill(self._dice.choice(children))
        await self._wait(0.5)

    async def _stop_fast(self) -> None:
        await asyncio.to_thread(self._world.database.stop, "fast")
        await self._wait(1)

    async def _stop_immediate(self) -> None:
        await asyncio.to_thread(self._world.database.stop, "immediate")
        await self._wait(1)

    async def _terminate(self) -> None:
        for _ in range(self._dice.randrange(1, 4)):
            with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                await self._world.database.execute(_TERMINATE)
            await self._wait(0.2)

    async def _cut_clients(self) -> None:
        for _ in range(self._dice.randrange(1, 6)):
            self._world.clients.cut_all()
            await self._wait(0.1)

    async def _cut_answers(self) -> None:
        self._world.clients.cut_answers(self._dice.randrange(5, 40))
        await self._wait(0.5)

    async def _cut_database_answers(self) -> None:
        for _ in range(self._dice.randrange(3, 10)):
            self._world.connections.cut_answers(1)
            await self._wait(0.1)

    async def _fill_disk(self) -> None:
        await asyncio.to_thread(self._world.disk.fill)
        # Tables grow page by page, the write-ahead log by segments: half of the times the log needs new ones.
        for _ in range(self._dice.choice((0, 10))):
            with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
                await self._world.database.execute("SELECT pg_switch_wal()")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        await self._wait(1)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
