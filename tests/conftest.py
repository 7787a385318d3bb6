"""What the tests stand on: a real PostgreSQL, and the service over real HTTP with the demo network in it."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from referral.actions.import_network import import_network
from referral.api.connections import Guard, Limits
from referral.app import create_app, make_services
from referral.cli.server import serving
from referral.domain.attachment import AttachmentRules
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from referral.store.version_cache import VersionCache
from scripts import superuser
from tests.owner import owner_is
from tests.running_service import RunningService

if find_spec("sniffio") is None:
    # Else httpcore looks for it with each request, four times, in every folder of the path.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


# The files that take longest begin first: else a worker may end with one of them, and the other have nothing.
_LONGEST = (
    "releases/test_upgrade.py",
    "benchmark/test_run.py",
    "api/test_matrix.py",
    "fault_runs/test_quick_run.py",
    "cli/test_demo.py",
    "test_embedded_bad_directory.py",
    "api/test_visibility.py",
    "api/test_strangers.py",
    "test_embedded.py",
    "install/test_restore_drill.py",
    "cli/test_serve.py",
    "store/test_migrate_interrupted.py",
    "architecture/test_docs.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {Path(__file__).parent / name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@dataclass(frozen=True, slots=True)
class Database:
    """One migrated database: as the service's login role, and as its owner."""

    dsn: str
    owner_dsn: str


@pytest.fixture(scope="session")
def _directory() -> Iterator[Path]:
    """A folder that the account of PostgreSQL can reach, also when root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="referral-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def cluster(_directory: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.open(_directory) as server:
        owner_is(server.owner_dsn)
        _without_fsync(_directory / "postgres" / "cluster")
        yield server


def _without_fsync(data: Path) -> None:
    """What keeps a commit through a loss of power is half the time of a test; none takes power away."""
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("fsync = off\n")
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)


@pytest.fixture(scope="session")
def database(cluster: EmbeddedPostgres) -> Database:
    """The cluster's database, migrated; `store` empties it for each test."""
    migrate(cluster.owner_dsn)
    return Database(cluster.dsn, cluster.owner_dsn)


@pytest.fixture(scope="session")
async def _open_store(database: Database) -> AsyncIterator[Store]:
    store = await Store.open(database.dsn, size=5)
    yield store
    await store.close()


@pytest.fixture(scope="session")
async def _tables(database: Database) -> list[str]:
    """The tables that each test finds empty."""
    owner = await asyncpg.connect(database.owner_dsn)
    tables = await owner.fetch(
        "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename NOT IN ('schema_revision', 'network_version', 'id_key')"
        " AND tablename NOT LIKE 'document_version_%'"
    )
    await owner.close()
    return [row["name"] for row in tables]


@pytest.fixture
async def store(_open_store: Store, database: Database, _tables: list[str]) -> Store:
    """A store with empty tables."""
    owner = await asyncpg.connect(database.owner_dsn)
    # To truncate makes files anew, for each index one: a few tables are done sooner than all.
    looks = (f"SELECT '{name}' AS name WHERE EXISTS (SELECT FROM {name})" for name in _tables)
    if full := [row["name"] for row in await owner.fetch(" UNION ALL ".join(looks))]:
        await owner.execute(f"TRUNCATE {', '.join(full)} CASCADE")
    await owner.close()
    return _open_store


def listen() -> socket.socket:
    """A free port of loopback. Named as TCP: else asyncio leaves Nagle's algorithm on, 40 ms an answer."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(100)
    return listening


@asynccontextmanager
async def serve(
    dsn: str,
    limits: Limits | None = None,
    *,
    size: int = 10,
    attachments: AttachmentRules | None = None,
    with_clocks: bool = False,
    versions: VersionCache | None = None,
    **pool: float,
) -> AsyncIterator[RunningService]:
    """The service on a free port of loopback, as it runs for users; without the clocks, unless asked for."""
    listening = listen()
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    store = await Store.open(dsn, size=size, **pool)
    services = make_services(store, base_url, attachments, versions)
    app, guard = create_app(services, with_clocks=with_clocks), Guard(limits)
    services.meters.add(guard.collect)
    running = RunningService(base_url, store)
    try:
        # Kept longer than a test lasts: else one may be closed at the moment that a client uses it again.
        async with app.router.lifespan_context(app), serving(app, listening, guard, keep_alive=600):
            try:
                yield running
            finally:
                await running.close()
    finally:
        await store.close()


@pytest.fixture(scope="session")
def superuser_dsn(_directory: Path, cluster: EmbeddedPostgres) -> str:
    return superuser.superuser_dsn(_directory, cluster)


@pytest.fixture(scope="session")
async def demo_database(superuser_dsn: str, database: Database) -> Database:
    """A second database with the demo network, for the session's one running service."""
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("CREATE DATABASE demo OWNER referral_owner")
    await mighty.close()
    demo = Database(
        database.dsn.replace("@/referral?", "@/demo?"), database.owner_dsn.replace("@/referral?", "@/demo?")
    )
    migrate(demo.owner_dsn)
    store = await Store.open(demo.dsn, size=2)
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as folder:
        await import_network(store, read_network(folder), datetime.now(UTC))
    await store.close()
    return demo


@pytest.fixture(scope="session")
async def service(demo_database: Database) -> AsyncIterator[RunningService]:
    """The running service with the demo network; tests bring their own patients."""
    async with serve(demo_database.dsn) as running:
        yield running
