"""Alembic's environment: one connection over asyncpg, one transaction for each migration."""

import asyncio
import threading

import asyncpg
from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def _run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True, version_table="schema_revision")
    with context.begin_transaction():
        context.run_migrations()


async def _migrate() -> None:
    dsn = context.config.attributes["dsn"]
    # asyncpg reads the whole address itself, so that sockets and passwords need no second spelling.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


def _in_thread() -> None:
    """Alembic calls this synchronously, perhaps inside a running loop: ours gets a thread of its own."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(_migrate())
        except BaseException as failure:  # noqa: BLE001 - handed to the caller's thread below
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


_in_thread()
