"""Alembic's environment: one connection over asyncpg, one transaction for each migration."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def _run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True, version_table="schema_revision")
    with context.begin_transaction():
        context.run_migrations()


async def _migrate() -> None:
    # asyncpg reads the whole address itself, so that sockets and passwords need no second spelling.
    connect = context.config.attributes["connect"]
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(_migrate())
