"""The clocks of many referrals, at rest and when some are due: python -m scripts.benchmark.clocks"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from referral.actions.import_network import import_network
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from scripts.benchmark.seed import RECEIVER, SENDER
from scripts.benchmark.stage import Systems, running, serve_command
from scripts.benchmark.story import MARK, patient, referral
from scripts.ports import reserved_ports

_MIB: Final = 1024 * 1024
# Copies of one referral that was really placed: of its rows those that a tick and a warning touch.
_REFERRALS: Final = (
    "INSERT INTO referral SELECT (jsonb_populate_record(r, jsonb_build_object("
    " 'id', 'c' || n, 'number', 'c' || n, 'journey', 'c' || n))).*"
    " FROM referral r, generate_series(1, $2::int) n WHERE r.id = $1"
)
_DOCUMENTS: Final = (
    "INSERT INTO document (type, id, version, updated_at, content, owner)"
    " SELECT d.type, 'c' || n, d.version, d.updated_at, d.content, d.owner"
    " FROM document d, generate_series(1, $2::int) n WHERE d.type = 'ServiceRequest' AND d.id = $1"
)
_DEADLINES: Final = (
    "INSERT INTO deadline SELECT (jsonb_populate_record(k, jsonb_build_object("
    " 'referral', 'c' || n, 'offer', NULL))).* FROM deadline k, generate_series(1, $2::int) n"
    " WHERE k.referral = $1"
)
_DUE: Final = (
    "UPDATE deadline SET next_at = now() WHERE slot = 'slip' AND referral = ANY ("
    " SELECT 'c' || n FROM generate_series(1, $1::int) n)"
)


async def place(systems: Systems) -> str:
    """One referral as a station sends it; its id."""
    await systems.sign_in()
    who = await systems.ask(SENDER, "POST", "Patient", patient(MARK))
    body = referral(MARK, f"Patient/{who['id']}", SENDER, RECEIVER)
    return str((await systems.ask(SENDER, "POST", "ServiceRequest", body))["id"])


@contextmanager
def working(data: Path, base_url: str) -> Iterator["subprocess.Popen[str]"]:
    """The worker, from when its clocks run; ended when we leave."""
    command = [sys.executable, "-m", "referral", "work", "--data", str(data), "--base-url", base_url]
    with (
        (data / "work.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        if process.stdout is not None:
            process.stdout.readline()
        yield process
        process.terminate()


async def fired(owner: asyncpg.Connection, count: int) -> float:
    """Seconds from when so many are due until the last is warned of."""
    await owner.execute(_DUE, count)
    begun = time.perf_counter()
    while await owner.fetchval("SELECT EXISTS (SELECT FROM deadline WHERE next_at <= now())"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return time.perf_counter() - begun


def cpu(processes: list[psutil.Process]) -> float:
    """Seconds of CPU of all of these."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


async def run(options: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path, port: int) -> None:
    migrate(postgres.owner_dsn)
    systems = Systems(f"http://127.0.0.1:{port}")
    store = await Store.open(postgres.dsn, size=2)
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as network:
        await import_network(store, read_network(network), datetime.now(UTC))
    await systems.add(store, [SENDER])
    await store.close()
    with running(serve_command(folder, port), f"{systems.base_url}/readyz", folder / "serve.log"):
        placed = await place(systems)
    owner = await asyncpg.connect(postgres.owner_dsn)
    for statement in (_REFERRALS, _DOCUMENTS, _DEADLINES):
        await owner.execute(statement, placed, options.count)
    await owner.execute("VACUUM ANALYZE")
    with working(folder, systems.base_url) as process:
        await asyncio.sleep(options.seconds)
        worker = psutil.Process(process.pid)
        sessions = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'referral 0%'"
        backends = [psutil.Process(row["pid"]) for row in await owner.fetch(sessions)]
        before, empty = cpu([worker, *backends]), fresh_memory()
        await asyncio.sleep(options.seconds)
        used = (cpu([worker, *backends]) - before) / options.seconds
        resident = worker.memory_info().rss
        size = await owner.fetchval("SELECT pg_total_relation_size('deadline')")
        rows = await owner.fetchval("SELECT count(*) FROM deadline")
        print(f"{options.count} referrals with open clocks, {rows} rows, {size / _MIB:.0f} MiB on the disk")
        print(f"at rest: {100 * used:.1f} % of a core, worker and PostgreSQL together")
        program = f"{empty / _MIB:.0f} of them the program and its libraries"
        print(f"memory: {resident / _MIB:.0f} MiB, {program}")
        for count in (1, 100, 1000):
            print(f"{count} due at once: all warned of after {await fired(owner, count):.2f} s")
    await owner.close()


def fresh_memory() -> int:
    """What the same program takes before it has looked at anything."""
    code = "import referral.cli.work, psutil; print(psutil.Process().memory_info().rss)"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="referrals with open clocks (100000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="to look at it at rest (20)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="referral-clocks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres.open(folder) as postgres, reserved_ports(1) as (port,):
            asyncio.run(run(options, postgres, folder, port))


if __name__ == "__main__":
    main()
