"""A database that a test makes, breaks and drops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.conftest import Database


@asynccontextmanager
async def own_database(
    superuser_dsn: str, database: Database, name: str, template: str = "template1"
) -> AsyncIterator[Database]:
    """A database of this name in the cluster of `database`, for both of its roles: empty, or a copy."""
    mighty = await asyncpg.connect(superuser_dsn)
    try:
        await mighty.execute(f"CREATE DATABASE {name} OWNER referral_owner TEMPLATE {template}")
        place = ("@/referral?", f"@/{name}?")
        yield Database(database.dsn.replace(*place), database.owner_dsn.replace(*place))
    finally:
        await mighty.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await mighty.close()


async def ask(dsn: str, question: str, *values: object) -> object:
    """The first value that a statement gives."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question, *values)
    finally:
        await connection.close()
