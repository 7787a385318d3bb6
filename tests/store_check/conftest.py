"""One healthy store for all tests of the checker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources

import asyncpg
import pytest

from referral.actions.import_network import import_network
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.store_check.healthy import FACILITIES, Healthy, live


@pytest.fixture(scope="session")
async def healthy(superuser_dsn: str, database: Database) -> AsyncIterator[Healthy]:
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("CREATE DATABASE checked OWNER referral_owner")
    await mighty.close()
    dsn, owner_dsn = (one.replace("@/referral?", "@/checked?") for one in (database.dsn, database.owner_dsn))
    await asyncio.to_thread(migrate, owner_dsn)
    store = await Store.open(dsn, size=2)
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as folder:
        network = read_network(folder)
    # Those who take part are enough: all checks look at the directory too.
    few = replace(
        network,
        facilities=tuple(one for one in network.facilities if one.id in FACILITIES),
        memberships=tuple(one for one in network.memberships if one.facility in FACILITIES),
        **dict.fromkeys(("services", "approvals", "techniques", "links", "affiliations"), ()),
        capacities={},
    )
    await import_network(store, few, datetime.now(UTC))
    await store.close()
    async with serve(dsn) as service:
        writes = await live(service)
        base = service.fhir
    connection = await asyncpg.connect(superuser_dsn.replace("@/postgres?", "@/checked?"))
    yield Healthy(connection, owner_dsn, base, writes)
    await connection.close()
