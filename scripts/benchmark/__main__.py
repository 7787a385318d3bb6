"""How fast the service is beside a bare floor: the command line, and the run from beginning to end."""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import asyncpg
import psutil
import uvloop

from referral.actions.import_network import import_network
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from scripts.benchmark import floor, report
from scripts.benchmark.measure import CONNECTIONS, Effort, measure
from scripts.benchmark.profiling import profile
from scripts.benchmark.seed import RECEIVER, SENDER, Maker, load, read_shape
from scripts.benchmark.stage import Systems, floor_command, free_port, running, serve_command
from scripts.benchmark.story import MARK, WAYS, with_order
from scripts.benchmark.works import WORKS, Material, Work, make_works

DEFAULT_SEED = 10_000
MOST_SEED = 10_000_000
FULL = Effort(rounds=7, seconds=1.0)
QUICK = Effort(rounds=2, seconds=0.3)
_ACTIVE = 8  # stations and hospitals whose systems ask
_FLOOR_ROWS = 10_000
_FILL_FLOOR = (
    "INSERT INTO floor SELECT id, content FROM document WHERE type = 'ServiceRequest'"
    " ORDER BY md5(id) LIMIT $1"
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure the service beside a bare floor, on this machine."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as JSON, too")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: under 50 s")
    parser.add_argument(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        metavar="N",
        help=f"referrals stored first, default {DEFAULT_SEED}",
    )
    parser.add_argument(
        "--work",
        action="append",
        choices=WORKS,
        metavar="NAME",
        help=f"only this, may be repeated: {', '.join(WORKS)}",
    )
    parser.add_argument("--profile", action="store_true", help="say where the time goes instead of measuring")
    options = parser.parse_args(arguments)
    if not 0 <= options.seed <= MOST_SEED:
        parser.error(f"--seed is from 0 to {MOST_SEED}")
    return options


def main() -> None:
    """Run it."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="referral-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the account of PostgreSQL must reach it
        with EmbeddedPostgres.open(folder) as postgres:
            migrate(postgres.owner_dsn)
            uvloop.run(run(options, postgres, folder))


def superuser_dsn(postgres: EmbeddedPostgres, folder: Path) -> str:
    """Who loads rows without firing triggers."""
    password = json.loads((folder / "postgres" / "passwords.json").read_text())["postgres"]
    return f"postgresql://postgres:{password}@/referral?{postgres.dsn.partition('?')[2]}"


async def run(options: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path) -> None:
    """Fill the database, start both servers, measure or profile."""
    owner = await asyncpg.connect(superuser_dsn(postgres, folder))
    store = await Store.open(postgres.dsn, size=2)
    port, floor_port = free_port(), free_port()
    try:
        with resources.as_file(
            resources.files("referral.exchange").joinpath("networks", "haiphong")
        ) as files:
            await import_network(store, read_network(files), datetime.now(UTC))
        await owner.execute(floor.TABLE)
        await owner.execute("ALTER TABLE floor OWNER TO referral_owner")
        with serving(options, folder, port) as service, running_floor(postgres, folder, floor_port):
            material = await prepare(options, store, owner, (port, floor_port))
            works = make_works(material)
            chosen = [works[name] for name in WORKS if name in (options.work or WORKS) and name in works]
            if options.profile:
                await show_profiles(options, material, chosen, service, folder)
            else:
                await show_figures(options, material, chosen)
    finally:
        await store.close()
        await owner.close()


@contextlib.contextmanager
def serving(options: argparse.Namespace, folder: Path, port: int) -> Iterator[psutil.Process]:
    """The service, under cProfile where it is to be profiled so."""
    command = serve_command(folder, port)
    if options.profile:
        command = [sys.executable, "-m", "scripts.benchmark.profiled", str(folder / "profile"), *command[3:]]
    with running(command, f"http://127.0.0.1:{port}/readyz", folder / "service.log") as process:
        yield process


@contextlib.contextmanager
def running_floor(postgres: EmbeddedPostgres, folder: Path, port: int) -> Iterator[None]:
    """The floor."""
    with running(
        floor_command(postgres.owner_dsn, port), f"http://127.0.0.1:{port}/docs", folder / "floor.log"
    ):
        yield


async def prepare(
    options: argparse.Namespace, store: Store, owner: asyncpg.Connection, ports: tuple[int, int]
) -> Material:
    """Register systems, place one referral of each way as a model, store as many as asked, fill the floor."""
    rows = await owner.fetch("SELECT facility, tier FROM membership ORDER BY md5(facility)")
    stations = [row["facility"] for row in rows if row["tier"] == "station"]
    hospitals = [row["facility"] for row in rows if row["tier"] == "satellite"]
    systems = Systems(f"http://127.0.0.1:{ports[0]}")
    await systems.add(store, {SENDER, RECEIVER, *stations[:_ACTIVE], *hospitals[:_ACTIVE]})
    shapes = {way: await read_shape(systems, owner, way, with_order(MARK, way)) for way in WAYS}
    first = await owner.fetchval("SELECT last_value + 1 FROM referral_sequence")
    now = datetime.now(UTC).replace(microsecond=0)
    seed = Maker(shapes, stations, hospitals, "S", first, now - timedelta(hours=2))
    await load(owner, seed, max(options.seed, 500))
    stock = Maker(
        shapes, stations[:_ACTIVE], hospitals[:_ACTIVE], "M", first + 20_000_000, now - timedelta(hours=1)
    )
    await owner.execute(f"SELECT setval('referral_sequence', {first + 40_000_000})")
    await owner.execute(_FILL_FLOOR, _FLOOR_ROWS)
    await owner.execute("ANALYZE")  # as autovacuum does a minute later
    material = Material(owner, systems, stock, *ports, stations[:_ACTIVE], hospitals[:_ACTIVE])
    await systems.sign_in()
    await material.gather()
    return material


async def show_figures(options: argparse.Namespace, material: Material, works: Sequence[Work]) -> None:
    """Measure each work and print a line at once."""
    effort = QUICK if options.quick else FULL
    print(report.HEADER)
    found = []
    for work in works:
        for connections in CONNECTIONS:
            found.append(await measure(material, work, connections, effort))
            print(report.line(found[-1]), flush=True)
    result = report.Result(found, None, None, options.seed)
    for line in report.closing_lines(result):
        print(line)
    if options.json:
        report.write_json(result, options.json)


async def show_profiles(
    options: argparse.Namespace,
    material: Material,
    works: Sequence[Work],
    service: psutil.Process,
    folder: Path,
) -> None:
    """Profile each work and print its tables."""
    for work in works:
        seconds = QUICK.seconds * 3 if options.quick else 5.0
        print("\n".join(await profile(material, work, service, seconds, folder)), flush=True)


if __name__ == "__main__":
    main()
