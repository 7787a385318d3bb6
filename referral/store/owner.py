"""A connection of the role that owns the database: for what the service itself may not see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from referral.domain.errors import StoreUnavailable
from referral.store.schema import check_schema, check_server

if TYPE_CHECKING:
    OwnerConnection = asyncpg.Connection[asyncpg.Record]
else:
    OwnerConnection = asyncpg.Connection


@asynccontextmanager
async def as_owner(dsn: str) -> AsyncIterator[OwnerConnection]:
    """One connection, outside a transaction. Raises StoreUnavailable, also where it breaks in use."""
    try:
        try:
            connection = await asyncpg.connect(
                dsn, server_settings={"application_name": "referral", "timezone": "UTC"}
            )
        except ValueError as failure:  # a port that is no number
            raise asyncpg.InterfaceError(str(failure)) from failure
        try:
            check_server(connection)
            await check_schema(connection)
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        line = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        raise StoreUnavailable(f"The database cannot be used as its owner: {line}") from failure
