"""Thousands of clients that never finish what they began, and beside them one that is to be served."""

import asyncio
import contextlib
import re
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from referral.actions.add_client import add_client, generate_keys
from referral.cli.demo_system import System, WrongAnswer
from referral.domain.facility import FacilityId
from referral.embedded import EmbeddedPostgres
from referral.store.migrate import migrate
from referral.store.pool import Store
from scripts.fault_runs.network import import_demo_network
from scripts.fault_runs.servers import Service
from scripts.ports import reserved_ports
from scripts.store_check.violation import Violation

MOST = 10_000
_STATION = "le-chan-health-station"
_AT_ONCE = 500
_ROUNDS = 3
_SETTLE_SECONDS = 60
_OTHER_FILES = 500
# A few may be refused, or closed before the last are there.
_MOST_OF_THEM = 0.9
# What the service may take for each, and for the answers meanwhile: measured are 7 KiB and some tens of MiB.
_KIBIBYTES_EACH, _MEBIBYTES_MORE = 20, 64
_HEAD = b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Slow: "
_BODY = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\ngran"
_BEGUN = (b"", b"G", _HEAD, _BODY)

Ask = Callable[[], Awaitable[None]]
"""Another client's work. Raises WrongAnswer or httpx.HTTPError where it is not served."""


@dataclass(slots=True)
class Held:
    """What came of it; wanted: what was asked for, whatever this process may have. Memory in MiB."""

    wanted: int
    open_at_most: int = 0
    open_at_last: int = 0
    answered: int = 0
    unanswered: list[str] = field(default_factory=list)
    before: float = 0
    at_most: float = 0

    def violations(self) -> Iterator[Violation]:
        """What is not as it must be; nothing of it is a matter of speed."""
        for text in self.unanswered:
            yield Violation("not-served", "another client", text)
        if self.open_at_most < self.wanted * _MOST_OF_THEM:
            yield Violation("not-held", "slow clients", f"{self.open_at_most} of {self.wanted} at most")
        if self.open_at_last > _AT_ONCE:
            yield Violation("not-closed", "slow clients", f"{self.open_at_last} are open after their end")
        more, bearable = self.at_most - self.before, self.wanted * _KIBIBYTES_EACH / 1024 + _MEBIBYTES_MORE
        if more > bearable:
            yield Violation("memory", "the service", f"{more:.0f} MiB more, and {bearable:.0f} are bearable")

    def __str__(self) -> str:
        return (
            f"{self.open_at_most} connections at once, {self.answered} rounds of another client answered;"
            f" memory {self.before:.0f} MiB before, {self.at_most:.0f} at most"
        )


@contextmanager
def files(count: int) -> Iterator[int]:
    """So many connections, or as many as this process may have; its soft limit is raised meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield min(count, wanted - _OTHER_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def hold(base_url: str, process: int, count: int, ask: Ask) -> Held:
    """Hold so many connections, a byte now and then, and let another client ask meanwhile.

    process: that of the service, on this machine. Fewer where the system has no more files, which is found.
    """
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as http:
        with files(count) as possible:
            return await _hold(http, process, Held(count), possible, ask)


async def _hold(http: httpx.AsyncClient, process: int, held: Held, possible: int, ask: Ask) -> Held:
    memory = psutil.Process(process).memory_info
    with contextlib.ExitStack() as clients:
        held.before = memory().rss / 2**20
        lines: list[socket.socket] = []

        async def look() -> None:
            try:
                await ask()
                held.open_at_last = await _open_connections(http)
            except (WrongAnswer, httpx.HTTPError) as fault:
                held.unanswered.append(f"beside {len(lines)}: {fault!r}")
            else:
                held.answered += 1
            held.open_at_most = max(held.open_at_most, held.open_at_last)
            held.at_most = max(held.at_most, memory().rss / 2**20)

        while len(lines) < possible:
            more = min(_AT_ONCE, possible - len(lines))
            some = [clients.enter_context(socket.socket()) for _ in range(more)]
            await asyncio.gather(*(_begin(line, http.base_url, number) for number, line in enumerate(some)))
            lines += some
            await look()
        for _ in range(_ROUNDS):
            for line in lines:
                with contextlib.suppress(OSError):  # closed by then, or full
                    line.send(b"x")
            await look()
    deadline = time.monotonic() + _SETTLE_SECONDS
    while held.open_at_last > _AT_ONCE and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        held.open_at_last = await _open_connections(http)
    return held


async def _begin(line: socket.socket, place: httpx.URL, number: int) -> None:
    line.setblocking(False)
    # Refused or reset: fewer are held then, and that is counted.
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_connect(line, (place.host, place.port))
        line.send(_BEGUN[number % len(_BEGUN)])


async def _open_connections(http: httpx.AsyncClient) -> int:
    found = re.search(r"^referral_connections (\d+)", (await http.get("/metrics")).text, re.MULTILINE)
    return int(found[1]) if found else 0


@asynccontextmanager
async def station_of(store: Store, base_url: str) -> AsyncIterator[Ask]:
    """The work of a station's system: it writes and reads, on a connection that it keeps and on new ones."""
    private, public = generate_keys()
    client = await add_client(
        store,
        client_id=None,
        facility=FacilityId(_STATION),
        name="Beside slow clients",
        scope="system/*.cruds",
        jwks={"keys": [public]},
        now=datetime.now(UTC),
    )
    endpoint = f"{base_url}/oauth/token"
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as kept:
        system = System(
            kept,
            {
                "client_id": client.id,
                "facility": _STATION,
                "name": _STATION,
                "tier": "station",
                "scope": "system/*.cruds",
                "private_jwk": dict(private),
            },
            endpoint,
        )

        async def ask() -> None:
            made = await system.create({"resourceType": "Patient", "gender": "female"})
            await system.read("Patient", made["id"])
            async with httpx.AsyncClient(base_url=base_url, timeout=60) as new:
                (await new.get("/readyz")).raise_for_status()

        yield ask


async def run(folder: Path, count: int) -> Held:
    """A service of its own, with so many slow clients."""
    with reserved_ports(1) as (port,), EmbeddedPostgres.open(folder) as embedded:
        await asyncio.to_thread(migrate, embedded.owner_dsn)
        base_url = f"http://127.0.0.1:{port}"
        service = Service.on(port, base_url, folder, folder / "log")
        store = await Store.open(embedded.dsn, size=2)
        try:
            await import_demo_network(store)
            service.start()
            if not await service.wait_ready() or service.process is None:
                raise RuntimeError(f"a service does not start:\n{service.log.read_text()[-2000:]}")
            async with station_of(store, base_url) as ask:
                return await hold(base_url, service.process.pid, count, ask)
        finally:
            await asyncio.to_thread(service.stop)
            await store.close()
