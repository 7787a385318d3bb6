"""Loading a year of a network: in parts, by two processes, its indexes filled afterwards where that pays."""

import asyncio
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

import asyncpg

from scripts.benchmark.seed import Maker, load

_DAYS: Final = 365
_PART: Final = 10_000
_PARTS_AT_ONCE: Final = 4
_PROCESSES: Final = 2
# Nothing that is loaded needs to outlive a crash; all of it is back before anything is measured. Little WAL
# is kept: what is soon written over need not reach the disk.
_WHILE_LOADING: Final = (
    *("fsync = off", "full_page_writes = off", "autovacuum = off"),
    *("max_wal_size = '1GB'", "checkpoint_timeout = '30min'"),
)
# Each of two sessions has a processor for itself. Sorts in little memory stay in its cache: in 1 GB they take
# half as long again.
_WHILE_TIDYING: Final = "SET maintenance_work_mem = '32MB'; SET max_parallel_maintenance_workers = 0"
# What holds rows: the tables themselves, or their partitions.
_STORED: Final = (
    "SELECT stored.oid::regclass::text FROM pg_class stored WHERE stored.relkind = 'r' AND stored.oid IN"
    " (SELECT name FROM unnest($1::regclass[]) name"
    "  UNION SELECT part.relid FROM unnest($1::regclass[]) name, pg_partition_tree(name) part)"
    " ORDER BY pg_table_size(stored.oid) DESC"
)
# Inserts pass over such an index, be it a primary key, until REINDEX has filled it.
_SET_ASIDE: Final = (
    "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = ANY ($1::regclass[])"
)
_INDEXES: Final = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = ANY ($1::regclass[])"
    " ORDER BY (SELECT reltuples FROM pg_class WHERE oid = indrelid) DESC, indrelid, indnatts DESC"
)


async def load_year(
    owner: asyncpg.Connection, dsn: str, maker: Maker, count: int, *, indexes_last: bool
) -> None:
    """Store so many referrals over a year, and leave the tables as autovacuum would a little later.

    indexes_last: fill them when all rows are there, with `fsync` off; nobody else may use the server.
    """
    named = sorted({table for shape in maker.shapes.values() for table in shape.tables})
    stored = [row[0] for row in await owner.fetch(_STORED, named)]
    if indexes_last:
        await _configure(owner, *(f"SET {setting}" for setting in _WHILE_LOADING))
        await owner.execute(_SET_ASIDE, stored)
    await _load(owner, dsn, _parts(maker, count), stored)
    if indexes_last:
        indexes = await owner.fetch(_INDEXES, stored)
        await _run_all(dsn, (f"REINDEX INDEX {row[0]}" for row in indexes))
        await _configure(owner, *(f"RESET {setting.partition(' ')[0]}" for setting in _WHILE_LOADING))
    await _run_all(dsn, (f'ANALYZE "{table}"' for table in named))
    # Else the works would pay for writing what was loaded.
    await owner.execute("CHECKPOINT")
    await asyncio.to_thread(os.sync)


async def _configure(owner: asyncpg.Connection, *changes: str) -> None:
    for change in changes:
        await owner.execute(f"ALTER SYSTEM {change}")
    await owner.execute("SELECT pg_reload_conf()")


async def _run_all(dsn: str, statements: Iterable[str]) -> None:
    """In two sessions: each takes the next one when it has done one."""
    left = iter(statements)

    async def work() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(_WHILE_TIDYING)
            for statement in left:
                await connection.execute(statement)
        finally:
            await connection.close()

    await asyncio.gather(*(work() for _ in range(_PROCESSES)))


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


async def _load(
    owner: asyncpg.Connection, dsn: str, parts: Sequence[tuple[Maker, int, float]], stored: Sequence[str]
) -> None:
    """Load and vacuum: some at a time, so that pages are marked as seen by all before the disk has them."""
    vacuum = [f"VACUUM {table}" for table in stored]
    if len(parts) == 1:
        maker, count, days = parts[0]
        await load(owner, maker, count, days=days)
        await _run_all(dsn, vacuum)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        loop = asyncio.get_running_loop()
        for begin in range(0, len(parts), _PARTS_AT_ONCE):
            some = parts[begin : begin + _PARTS_AT_ONCE]
            await asyncio.gather(*(loop.run_in_executor(pool, _load_part, dsn, part) for part in some))
            await _run_all(dsn, vacuum)


def _load_part(dsn: str, part: tuple[Maker, int, float]) -> None:
    asyncio.run(_load_alone(dsn, *part))


async def _load_alone(dsn: str, maker: Maker, count: int, days: float) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await load(connection, maker, count, days=days)
    finally:
        await connection.close()
