"""A service with the small network, for the examples and for what docs/integrating.md tells."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest

from referral.actions.import_network import import_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.own_database import own_database
from tests.running_service import RunningService
from tests.small_network import small_network

Hill = Callable[[str], AbstractAsyncContextManager[RunningService]]


@pytest.fixture(scope="session")
async def hill(superuser_dsn: str, database: Database) -> AsyncIterator[Hill]:
    """Starts a service on a database of the given name: a copy, with the network and nothing else."""
    async with own_database(superuser_dsn, database, "hill") as made:
        migrate(made.owner_dsn)
        store = await Store.open(made.dsn, size=1)
        await import_network(store, small_network(), datetime.now(UTC))
        await store.close()

        @asynccontextmanager
        async def start(name: str) -> AsyncIterator[RunningService]:
            async with (
                own_database(superuser_dsn, database, name, template="hill") as own,
                serve(own.dsn, size=4) as running,
            ):
                yield running

        yield start
