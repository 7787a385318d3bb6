"""A run from beginning to end: start, fill, measure or profile."""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
import psutil

from referral.actions.import_network import import_network
from referral.domain.network_draft import NetworkDraft
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.pool import Store
from scripts.benchmark import floor, report
from scripts.benchmark.bulk import load_year
from scripts.benchmark.country import copy_network, country, stations
from scripts.benchmark.measure import CONNECTIONS, Effort, measure
from scripts.benchmark.profiling import profile
from scripts.benchmark.seed import RECEIVER, SENDER, Maker, Shape, read_shapes, sealed
from scripts.benchmark.stage import Systems, floor_command, running, serve_command
from scripts.benchmark.works import MORE, WORKS, Material, Work, make_works
from scripts.ports import reserved_ports
from scripts.superuser import superuser_dsn

FULL: Final = Effort(rounds=7, seconds=1.0)
QUICK: Final = Effort(rounds=2, seconds=0.3, profile=1.0, starts=1)
_ACTIVE: Final = 8  # stations and hospitals whose systems ask
_LEAST_STORED: Final = 500  # what the works need to have different things to ask for
_FLOOR_ROWS: Final = 10_000
_FILL_FLOOR: Final = (
    "INSERT INTO floor SELECT id, content FROM document WHERE type = 'ServiceRequest'"
    " ORDER BY md5(id) LIMIT $1"
)
# Referral numbers of the seed, of the offers that are moved, and of what is placed while measuring.
_NUMBERS_APART: Final = 30_000_000


class Stage(NamedTuple):
    """What a run stands on. `owner` is the superuser: it loads rows without firing triggers."""

    options: argparse.Namespace
    effort: Effort
    folder: Path
    owner: asyncpg.Connection
    owner_dsn: str
    store: Store
    ports: tuple[int, int]  # of the service, of the floor

    @property
    def country(self) -> NetworkDraft | None:
        """The country, where it is loaded: for suggestions, and for what memory it takes."""
        wanted = not self.options.work or "suggest" in self.options.work
        return country(self.effort.facilities) if wanted else None


async def run(options: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path, effort: Effort) -> None:
    """Do what the options say; `postgres` is migrated and empty, of the directory `folder`."""
    ready = None if options.work else seconds_to_ready(effort.starts)
    dsn = superuser_dsn(folder, postgres, "referral")
    store = await Store.open(postgres.dsn, size=2)
    try:
        owner = await asyncpg.connect(dsn)
        try:
            with reserved_ports(2) as (port, floor_port):
                stage = Stage(options, effort, folder, owner, dsn, store, (port, floor_port))
                await fill_network(stage)
                with _service(stage) as service, _floor(stage, postgres) as beside:
                    material = await prepare(stage)
                    works = make_works(material)
                    chosen = [works[name] for name in (*WORKS, *MORE) if name in (options.work or WORKS)]
                    await show_figures(stage, material, chosen, (service, beside), ready)
        finally:
            await owner.close()
    finally:
        await store.close()


def seconds_to_ready(times: int) -> float:
    """From the start of `serve` on an empty directory to its first 200 of /readyz, the median."""
    found = []
    for _ in range(times):
        with (
            reserved_ports(1) as (port,),
            tempfile.TemporaryDirectory(prefix="referral-bench-start-") as name,
        ):
            folder = Path(name)
            folder.chmod(0o755)
            begun = time.perf_counter()
            with running(
                serve_command(folder / "data", port), f"http://127.0.0.1:{port}/readyz", folder / "log"
            ):
                found.append(time.perf_counter() - begun)
    return statistics.median(found)


@contextlib.contextmanager
def _service(stage: Stage) -> Iterator[psutil.Process]:
    """The service; to be profiled, under what can switch cProfile on."""
    port = stage.ports[0]
    command = serve_command(stage.folder, port)
    if stage.options.profile:
        profiled = ["-m", "scripts.benchmark.profiled", str(stage.folder / "profile")]
        command = [sys.executable, *profiled, *command[3:]]
    with running(command, f"http://127.0.0.1:{port}/readyz", stage.folder / "service.log") as process:
        yield process


@contextlib.contextmanager
def _floor(stage: Stage, postgres: EmbeddedPostgres) -> Iterator[psutil.Process]:
    port = stage.ports[1]
    command = floor_command(postgres.owner_dsn, port, stage.effort.facilities if stage.country else 0)
    with running(command, f"http://127.0.0.1:{port}/docs", stage.folder / "floor.log") as process:
        yield process


async def fill_network(stage: Stage) -> None:
    """The demo's network by the real import, and the country beside it; the floor's table."""
    packed = resources.files("referral.exchange").joinpath("networks", "haiphong")
    with resources.as_file(packed) as files:
        await import_network(stage.store, read_network(files), datetime.now(UTC))
    if stage.country:
        await copy_network(stage.owner, stage.country, datetime.now(UTC))
    await stage.owner.execute(floor.TABLE)
    await stage.owner.execute("ALTER TABLE floor OWNER TO referral_owner")


async def prepare(stage: Stage) -> Material:
    """Register systems, place one referral of each way as a model, store as many as asked."""
    owner, systems = stage.owner, Systems(f"http://127.0.0.1:{stage.ports[0]}")
    rows = await owner.fetch(
        "SELECT facility, tier FROM membership WHERE network = 'hai-phong-network' ORDER BY md5(facility)"
    )
    senders = [row["facility"] for row in rows if row["tier"] == "station"]
    receivers = [row["facility"] for row in rows if row["tier"] == "satellite"]
    askers = stations(stage.country)[:_ACTIVE] if stage.country else []
    await systems.add(stage.store, {SENDER, RECEIVER, *senders[:_ACTIVE], *receivers[:_ACTIVE], *askers})
    shapes = await read_shapes(systems, owner)
    stock = await store_referrals(stage, shapes, senders, receivers)
    await owner.execute(_FILL_FLOOR, _FLOOR_ROWS)
    await owner.execute("VACUUM (ANALYZE) floor")
    material = Material(owner, systems, stock, *stage.ports, senders[:_ACTIVE], receivers[:_ACTIVE])
    material.askers = askers
    await systems.sign_in()
    await material.gather()
    return material


async def store_referrals(
    stage: Stage, shapes: dict[str, Shape], senders: Sequence[str], receivers: Sequence[str]
) -> Maker:
    """The seed; the maker of more."""
    owner = stage.owner
    first = await owner.fetchval("SELECT last_value + 1 FROM referral_sequence")
    now, begun = datetime.now(UTC).replace(microsecond=0), time.perf_counter()
    seed = Maker(shapes, senders, receivers, "S", first, now - timedelta(hours=2))
    count = max(stage.options.seed, _LEAST_STORED)
    async with sealed(owner):
        last = count > stage.effort.indexes_last_above
        await load_year(owner, stage.owner_dsn, seed, count, indexes_last=last)
    size = await owner.fetchval("SELECT pg_database_size(current_database())")
    took = time.perf_counter() - begun
    print(f"{count} referrals stored in {took:.1f} s, database {size / 2**20:.0f} MiB", flush=True)
    await owner.execute(f"SELECT setval('referral_sequence', {first + 2 * _NUMBERS_APART})")
    newest = now - timedelta(hours=1)
    return Maker(shapes, senders[:_ACTIVE], receivers[:_ACTIVE], "M", first + _NUMBERS_APART, newest)


async def show_figures(
    stage: Stage,
    material: Material,
    works: Sequence[Work],
    servers: tuple[psutil.Process, psutil.Process],
    ready: float | None,
) -> None:
    """Measure each work and print a line at once, and where its time goes; `servers`: service and floor."""
    print(report.HEADER)
    found, costs = [], []
    for work in works:
        for connections in CONNECTIONS:
            figures, apart = await measure(
                material, work, connections, stage.effort, stage.options.without or ()
            )
            found.append(figures)
            costs += apart
            print("\n".join((report.line(figures), *map(report.cost_line, apart))), flush=True)
        if stage.options.profile:
            lines = await profile(
                material, work, servers, stage.effort, stage.folder, apart=stage.options.without or ()
            )
            print("\n".join(lines), flush=True)
    memory = None
    if stage.country:
        await asyncio.sleep(2)
        memory = servers[0].memory_info().rss / 2**20
    result = report.Result(found, memory, ready, stage.options.seed, costs)
    for line in report.closing_lines(result):
        print(line)
    if stage.options.json:
        report.write_json(result, stage.options.json)
