"""One run: start everything, let clients write while faults happen, stop it, check what is left."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from referral.actions.add_client import add_client, generate_keys
from referral.domain.facility import FacilityId
from referral.embedded import EmbeddedPostgres
from referral.store.migrate import migrate
from referral.store.pool import Store
from scripts.fault_runs.cuts import Relay, Streams
from scripts.fault_runs.disk import Disk
from scripts.fault_runs.faults import Faults, World
from scripts.fault_runs.network import import_demo_network
from scripts.fault_runs.servers import Database, Process, Service
from scripts.fault_runs.system import Run, System
from scripts.fault_runs.walker import Walker
from scripts.ports import reserved_ports
from scripts.store_check.check import check_dsn
from scripts.store_check.violation import Violation
from scripts.store_check.writes import Journal

_OFFICE = "hai-phong-network"
_STATIONS = (
    "le-chan-health-station",
    "cat-hai-health-station",
    "phu-thai-health-station",
    "bach-long-vi-health-station",
)
_HOSPITALS = ("kien-an-hospital", "an-lao-medical-centre", "viet-tiep-friendship-hospital")
_WALKERS = 8
_RECOVER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is. It ends when both numbers are reached, or after `seconds`."""

    seed: int
    writes: int
    faults: int
    seconds: float
    disk_mebibytes: int


@dataclass(slots=True)
class Result:
    """What came of a run."""

    journal: Journal = field(default_factory=Journal)
    faults: list[tuple[str, float]] = field(default_factory=list)
    """Each fault, and the seconds from its beginning until a write was acknowledged again."""
    skipped: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    """To all tries of writes by status; 0: none came."""
    silence: Counter[str] = field(default_factory=Counter)
    """What the clocks did, by what they told of it."""
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0
    check_seconds: float = 0

    def faults_by_kind(self) -> dict[str, list[float]]:
        """Seconds to recover by kind, in the order of the kinds' names."""
        found: dict[str, list[float]] = {}
        for kind, seconds in sorted(self.faults):
            found.setdefault(kind, []).append(seconds)
        return found


async def run(plan: Plan, folder: Path, disk: Disk) -> Result:
    """Everything, from an empty data directory to the checked store. Raises what keeps it from starting."""
    result = Result(skipped=[f"disk full: {disk.why_not}"] if disk.why_not else [])
    # A service that is down must find its port free again.
    with reserved_ports(3) as ports, EmbeddedPostgres.open(disk.folder) as embedded:
        database = Database(disk.folder, embedded)
        await asyncio.to_thread(migrate, embedded.owner_dsn)
        # Little write-ahead log is kept, so that a small disk has room for the rest, and is full when filled.
        await database.execute("ALTER SYSTEM SET max_wal_size = '96MB'")
        await database.execute("ALTER SYSTEM SET min_wal_size = '32MB'")
        await database.execute("SELECT pg_reload_conf()")
        dice = random.Random(plan.seed)  # noqa: S311 - to be the same again, not to be secret
        async with _services(dice, database, folder, disk, ports) as (world, base_url):
            shared = Run(result.journal, random.Random(plan.seed + 1), base_url)  # noqa: S311
            systems = await _sign_up(embedded.dsn, shared)
            try:
                await _write_and_fail(plan, world, shared, systems, result)
            finally:
                for system in systems.values():
                    await system.close()
        started = time.monotonic()
        await database.ensure_running()
        result.silence = Counter(await database.told_by("clock"))
        result.violations += [Violation("damaged", *one) for one in await database.damaged()]
        result.violations += await check_dsn(embedded.owner_dsn, f"{base_url}/fhir", result.journal.writes)
        result.check_seconds = time.monotonic() - started
    return result


@contextlib.asynccontextmanager
async def _services(
    dice: random.Random, database: Database, folder: Path, disk: Disk, reserved: list[int]
) -> AsyncIterator[tuple[World, str]]:
    """Two services behind one address; one keeps PostgreSQL running. Two workers that do not run yet."""
    port, *ports = reserved
    base_url = f"http://127.0.0.1:{port}"
    # A short path: the name of a unix socket has little room.
    relayed = folder / "s"
    relayed.mkdir()
    account = database.embedded.dsn.partition("?")[0]
    near = Service.on(ports[0], base_url, disk.folder, folder / "near.log")
    through = f"{account}?host={relayed}&port=5432"
    far = Service.on(ports[1], base_url, folder / "unused", folder / "far.log", through)
    services = [near, far]

    async def to_service() -> Streams:
        some = dice.sample(services, 2)
        try:
            return await asyncio.open_connection("127.0.0.1", some[0].port)
        except OSError:
            return await asyncio.open_connection("127.0.0.1", some[1].port)

    async def to_database() -> Streams:
        return await asyncio.open_unix_connection(str(database.socket))

    # One reaches the database as it is, one through the relay.
    workers = [
        Process(
            ("scripts.fault_runs.worker",),
            {"DATABASE_URL": dsn, "REFERRAL_BASE_URL": base_url},
            folder / "worker.log",
        )
        for dsn in (database.embedded.dsn, through)
    ]
    world = World(dice, database, services, workers, Relay(dice, to_service), Relay(dice, to_database), disk)
    inner = await asyncio.start_unix_server(world.connections.serve, relayed / ".s.PGSQL.5432")
    outer = await asyncio.start_server(world.clients.serve, "127.0.0.1", port)
    try:
        for service in services:
            service.start()
        for service in services:
            if not await service.wait_ready():
                raise RuntimeError(f"a service does not start:\n{service.log.read_text()[-2000:]}")
        yield world, base_url
    finally:
        for process in (*services, *workers):
            await asyncio.to_thread(process.stop)
        for server, relay in ((outer, world.clients), (inner, world.connections)):
            server.close()
            relay.cut_all()


async def _sign_up(dsn: str, shared: Run) -> dict[str, System]:
    """Import the demo network and register a system for each facility that takes part."""
    store = await Store.open(dsn, size=2)
    systems = {}
    try:
        await import_demo_network(store)
        for facility in (*_STATIONS, *_HOSPITALS, _OFFICE):
            private, public = generate_keys()
            client = await add_client(
                store,
                client_id=f"fault-run-{facility}",
                facility=FacilityId(facility),
                name=f"Fault run of {facility}",
                scope="system/*.cruds",
                jwks={"keys": [public]},
                now=datetime.now(UTC),
            )
            systems[facility] = System(shared, facility, client.id, dict(private))
    finally:
        await store.close()
    return systems


async def _write_and_fail(
    plan: Plan, world: World, shared: Run, systems: dict[str, System], result: Result
) -> None:
    started = time.monotonic()
    hospitals = [systems[name] for name in _HOSPITALS]
    walkers = [
        Walker(shared, systems[_STATIONS[turn % len(_STATIONS)]], hospitals, systems[_OFFICE])
        for turn in range(_WALKERS)
    ]
    faults = Faults(world)
    for worker in world.workers:
        worker.start()
    async with asyncio.TaskGroup() as tasks:
        for walker in walkers:
            tasks.create_task(walker.walk())
        try:
            await _fail(plan, faults, shared, result, started + plan.seconds)
        finally:
            await faults.heal()
            shared.running = False
    await _clocks_have_fired(world)
    result.seconds, result.answers = time.monotonic() - started, shared.answers
    for status, times in shared.answers.items():
        # A database that is away is told as 503; anything else above is a fault of the service's own.
        if status >= 500 and status != 503:
            result.violations.append(Violation("fault-answered", f"status {status}", f"{times} times"))


async def _clocks_have_fired(world: World) -> None:
    """Wait until a worker has done something: on a busy machine a short run ends before they begin."""
    end = time.monotonic() + _RECOVER_SECONDS
    while time.monotonic() < end:
        if await world.database.told_by("clock"):
            return
        await asyncio.sleep(0.2)


async def _fail(plan: Plan, faults: Faults, shared: Run, result: Result, end: float) -> None:
    """One fault after another, spread over the writes; now and then two at once."""
    kinds = faults.order()
    for number in itertools.count():
        due = plan.writes * min((number + 1) / (plan.faults + 1), 1)
        # On a machine that is busy with other things too, the first fault may be late; but there is one.
        latest = end if number else end + _RECOVER_SECONDS
        if not await _reached(shared, due, latest) or number >= plan.faults:
            return
        began, before = time.monotonic(), shared.acknowledged
        names = [next(kinds) for _ in range(2 if shared.dice.random() < 0.2 else 1)]
        for name in names:
            await faults.make(name)
            before = shared.acknowledged
        healing = asyncio.create_task(faults.heal())
        wrote = await _reached(shared, before + 1, time.monotonic() + _RECOVER_SECONDS)
        seconds = time.monotonic() - began
        came = await healing
        result.faults += [(name, seconds) for name in names]
        print(
            f"{shared.acknowledged:6} writes, {len(result.faults):3} faults: {', '.join(names)}", flush=True
        )
        if not (came and wrote):
            text = f"no write was acknowledged within {_RECOVER_SECONDS} s"
            result.violations.append(Violation("not-recovered", ", ".join(names), text))
            return


async def _reached(shared: Run, acknowledged: float, end: float) -> bool:
    """Wait until so many writes are acknowledged; whether it is before the end."""
    while shared.acknowledged < acknowledged:
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
