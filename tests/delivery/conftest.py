"""A hub of its own for the clocks: who moves the time moves it for every referral of the database."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from referral.actions.activate_policy import activate_policy
from referral.actions.import_network import import_network
from referral.actions.refresh_network import refresh_network
from referral.delivery.clocks import Clocks, Effect
from referral.domain.policy import Policy
from referral.exchange.network_files import read_network
from referral.network.snapshot import SnapshotHolder
from referral.store.migrate import migrate
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import OFFICE
from tests.own_database import own_database
from tests.running_service import RunningService


@dataclass(slots=True)
class ClockedHub:
    """A running service without clocks of its own, workers to be sent, and what the database holds."""

    service: RunningService
    database: Database
    owner: asyncpg.Connection

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Clocks]:
        """Another process, as far as the database can tell."""
        store, snapshots = await Store.open(self.database.dsn, size=2), SnapshotHolder()
        await refresh_network(store, snapshots)
        try:
            yield Clocks(store, snapshots, self.service.fhir)
        finally:
            await store.close()

    async def fire(self, now: datetime) -> dict[Effect, int]:
        """Send one worker at a moment."""
        async with self.worker() as clocks:
            return dict(await clocks.fire_due(now))

    async def told(self, referral: str) -> list[tuple[str, str, str | None]]:
        """Move, reason and text of the events that the clock has left of a referral."""
        rows = await self.owner.fetch(
            "SELECT move, reason_code, reason_text FROM event WHERE referral = $1 AND party = 'system'"
            " ORDER BY seq",
            referral,
        )
        return [tuple(row) for row in rows]

    async def deadline(self, referral: str, slot: str = "step") -> dict[str, Any]:
        """One row of what is owed."""
        row = await self.owner.fetchrow(
            "SELECT * FROM deadline WHERE referral = $1 AND slot = $2", referral, slot
        )
        assert row is not None
        return dict(row)


@pytest.fixture(scope="package")
async def clocked(superuser_dsn: str, database: Database) -> AsyncIterator[ClockedHub]:
    """The demo network, which lets an unanswered offer move along its sender's list."""
    async with own_database(superuser_dsn, database, "clocked") as own:
        migrate(own.owner_dsn)
        store = await Store.open(own.dsn, size=2)
        folder = resources.files("referral.exchange").joinpath("networks", "haiphong")
        with resources.as_file(folder) as files:
            await import_network(store, read_network(files), datetime.now(UTC))
        await store.close()
        owner = await asyncpg.connect(own.owner_dsn)
        try:
            async with serve(own.dsn) as service:
                yield ClockedHub(service, own, owner)
        finally:
            await owner.close()


@pytest.fixture
async def redirecting(clocked: ClockedHub) -> AsyncIterator[None]:
    """The policy lets silence move an offer along its sender's list."""
    async with _ruled_by(clocked, {"offers": {"auto_redirect": True}}):
        yield


@pytest.fixture
async def redirecting_not_down(clocked: ClockedHub) -> AsyncIterator[None]:
    """As `redirecting`, and nobody is sent down to a place without the service."""
    async with _ruled_by(clocked, {"offers": {"auto_redirect": True, "refuse_down_without_service": True}}):
        yield


@pytest.fixture
async def in_los_angeles(clocked: ClockedHub) -> AsyncIterator[ZoneInfo]:
    """The network lies west of Greenwich."""
    async with _ruled_by(clocked, {"calendar": {"timezone": "America/Los_Angeles"}}):
        yield ZoneInfo("America/Los_Angeles")


@asynccontextmanager
async def _ruled_by(hub: ClockedHub, tables: dict[str, Any]) -> AsyncIterator[None]:
    """The network's policy with other tables, and then as it was."""
    stored = await hub.owner.fetchval(
        "SELECT mapping::text FROM policy_version WHERE network = $1 ORDER BY number DESC LIMIT 1", OFFICE
    )
    before = json.loads(stored)
    for mapping in (before | tables, before):
        store = await Store.open(hub.database.dsn, size=1)
        now = datetime.now(UTC)
        await activate_policy(store, Policy.from_stored(mapping), mapping, valid_from=now.date(), now=now)
        await store.close()
        if mapping is not before:
            yield
