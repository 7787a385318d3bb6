"""The tables as their owner sees them: the service's own role sees nothing there without an actor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from referral.store.pool import Store

_dsns: list[str] = []


def owner_is(dsn: str) -> None:
    """Say who owns the databases of the cluster of the tests."""
    _dsns[:] = [dsn]


@asynccontextmanager
async def behind_the_wall(store: Store) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection of the owner to the database of the store, outside a transaction."""
    async with store.reading(None) as connection:
        name = await connection.fetchval("SELECT current_database()")
    owner = await asyncpg.connect(_dsns[0].replace("@/referral?", f"@/{name}?"))
    try:
        yield owner
    finally:
        await owner.close()
