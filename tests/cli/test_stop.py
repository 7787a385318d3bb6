"""A service that is told to stop while its database is away: it ends in time, and says what was lost."""

import asyncio
import contextlib
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from referral.cli import database as cli
from referral.cli.serve import address_of, listen, running
from referral.cli.server import Stopping
from referral.embedded import EmbeddedPostgres
from referral.settings import Settings
from referral.store.migrate import migrate
from scripts.fault_runs.servers import Database as Cluster
from tests.cli.test_serve import PATIENCE, _serve
from tests.conftest import Database
from tests.install.dockerfile import COMPOSE


@asynccontextmanager
async def wire(dsn: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address that leads to the database of `dsn` (by its socket), while the event is set."""
    parts = urlsplit(dsn)
    place = parse_qs(parts.query)
    flowing = asyncio.Event()
    flowing.set()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                await flowing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_unix_connection(f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}")
        await asyncio.gather(hand_on(reader, server[1]), hand_on(server[0], writer))

    listening = await asyncio.start_server(serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"{re.sub(r'@.*', '', dsn)}@127.0.0.1:{port}{parts.path}?sslmode=disable", flowing
        flowing.set()


async def in_flight(http: httpx.AsyncClient, count: int) -> None:
    """Wait until so many requests are."""
    async with asyncio.timeout(PATIENCE):
        while f"referral_requests_in_flight {count}.0" not in (await http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_database_that_says_nothing_is_not_waited_for(demo_database: Database) -> None:
    with listen("127.0.0.1", 0) as listener, capture_logs() as log:
        base_url = address_of(listener)
        async with (
            httpx.AsyncClient(base_url=base_url, timeout=None) as http,
            wire(demo_database.dsn) as (dsn, flowing),
        ):
            # No limit but that of the stop would end within the time of a test.
            settings = Settings.from_environment({"DATABASE_URL": dsn, "REFERRAL_STATEMENT_SECONDS": "600"})
            stopping = Stopping(requests=0.2, everything=0.3)
            async with running(cli.Database(dsn, None, None), listener, base_url, settings, stopping):
                assert (await http.get("/readyz")).status_code == 200
                flowing.clear()
                assert (await http.get("/fhir/Patient/nobody")).status_code == 401
                asked = asyncio.create_task(http.get("/readyz"))
                await in_flight(http, 2)
            asked.cancel()
    told = {line["event"]: line for line in log}
    assert told["audit_incomplete"]["lost"] >= 1
    assert told["connections_given_up"]["in_use"] >= 1


def test_a_stop_takes_less_than_it_is_given() -> None:
    given = COMPOSE["services"]["service"]["stop_grace_period"]
    # Closing takes a second each for the metrics, the pool and the traces.
    assert Stopping().seconds_left() + 3 < int(given.removesuffix("s"))
    assert Stopping().requests < Stopping().seconds_left()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="rt", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres.open(folder) as server:
            migrate(server.owner_dsn)
            yield Cluster(folder, server)


def test_a_database_that_was_killed_holds_up_no_stop(own_cluster: Cluster, tmp_path: Path) -> None:
    with _serve(tmp_path / "d", DATABASE_URL=own_cluster.embedded.dsn) as serving:
        for process in own_cluster.processes():
            os.kill(process, signal.SIGKILL)
        assert httpx.get(f"{serving.url}/fhir/Patient/nobody", timeout=PATIENCE).status_code == 401
        serving.process.terminate()
        assert serving.process.wait(PATIENCE) == 0
    told = {line["event"]: line for line in map(json.loads, (tmp_path / "log").read_text().splitlines())}
    assert told["audit_incomplete"]["lost"] == 1
