"""Loading a year of a network: in parts, by two processes, its indexes made afterwards where that pays."""

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

import asyncpg

from scripts.benchmark.seed import Maker, load

_DAYS: Final = 365
_PART: Final = 20_000
_PROCESSES: Final = 2
# From here on it is faster to make the indexes anew.
_WITHOUT_INDEXES: Final = 100_000
# Nothing that is loaded needs to outlive a crash; all of it is back before anything is measured.
_WHILE_LOADING: Final = (
    *("fsync = off", "full_page_writes = off", "autovacuum = off"),
    *("max_wal_size = '8GB'", "checkpoint_timeout = '30min'"),
)
_INDEXES: Final = (
    "SELECT i.indexname AS name, i.indexdef AS definition FROM pg_indexes i"
    " WHERE i.schemaname = 'public' AND i.tablename = ANY ($1::text[])"
    " AND NOT EXISTS (SELECT FROM pg_constraint c"
    " WHERE c.conindid = format('%I.%I', i.schemaname, i.indexname)::regclass)"
)


async def load_year(owner: asyncpg.Connection, dsn: str, maker: Maker, count: int) -> None:
    """Store so many referrals over a year, and leave the tables as autovacuum would a little later."""
    tables = sorted({table for shape in maker.shapes.values() for table in shape.tables})
    indexes = await owner.fetch(_INDEXES, tables) if count > _WITHOUT_INDEXES else []
    for index in indexes:
        await owner.execute(f'DROP INDEX "{index["name"]}"')
    if indexes:
        await _configure(owner, *(f"SET {setting}" for setting in _WHILE_LOADING))
    parts = _parts(maker, count)
    if len(parts) == 1:
        await load(owner, *parts[0][:2], days=parts[0][2])
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(pool, _load_part, dsn, part) for part in parts))
    await owner.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await owner.execute(index["definition"])
    for table in tables:
        await owner.execute(f'VACUUM (ANALYZE) "{table}"')
    if indexes:
        await _configure(owner, *(f"RESET {setting.partition(' ')[0]}" for setting in _WHILE_LOADING))
    # Else the works would pay for writing what was loaded.
    await owner.execute("CHECKPOINT")
    await asyncio.to_thread(os.sync)


async def _configure(owner: asyncpg.Connection, *changes: str) -> None:
    for change in changes:
        await owner.execute(f"ALTER SYSTEM {change}")
    await owner.execute("SELECT pg_reload_conf()")


def _parts(maker: Maker, count: int) -> Sequence[tuple[Maker, int, float]]:
    """Makers of one stretch of the year each, with how many they make and the days they take."""
    parts = []
    for begin in range(0, max(count, 1), _PART):
        size = min(_PART, count - begin)
        newest = maker.newest - timedelta(days=_DAYS * (1 - (begin + size) / max(count, 1)))
        made = replace(
            maker, seed=f"{maker.seed}{begin}", first_number=maker.first_number + begin, newest=newest
        )
        parts.append((made, size, _DAYS * size / max(count, 1)))
    return parts


def _load_part(dsn: str, part: tuple[Maker, int, float]) -> None:
    asyncio.run(_load_alone(dsn, *part))


async def _load_alone(dsn: str, maker: Maker, count: int, days: float) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await load(connection, maker, count, days=days)
    finally:
        await connection.close()
