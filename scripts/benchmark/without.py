"""What can be taken away for a slice, so that two slices in turn tell what it costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from scripts.benchmark.client import Requests
from scripts.benchmark.works import Work

WITHOUT: Final = ("wall", "request-id")

_WALLS: Final = (
    "SELECT oid::regclass::text FROM pg_class"
    " WHERE relrowsecurity AND relnamespace = 'public'::regnamespace ORDER BY relname"
)


def can_do_without(name: str, work: Work) -> bool:
    """Whether there is anything to take away: only writes are kept under their X-Request-ID."""
    return name == "wall" or work.unnamed is not None


@asynccontextmanager
async def without(name: str, owner: asyncpg.Connection, work: Work) -> AsyncIterator[Requests]:
    """What to send while it is away; afterwards all is as it was.

    Without the wall the policies of row-level security are not asked; the conditions that the service puts
    into its own queries stay. Each connection makes its plans anew then, and afterwards, which for a
    write takes longer than the write: drive as long as a slice before one that counts.
    """
    match name:
        case "wall":
            walls = [row[0] for row in await owner.fetch(_WALLS)]
            try:
                await _set(owner, walls, "DISABLE")
                yield work.ours
            finally:
                await _set(owner, walls, "ENABLE")
        case "request-id" if work.unnamed is not None:
            yield work.unnamed
        case _:
            raise ValueError(f"{name} cannot be taken away from {work.name}")


async def _set(owner: asyncpg.Connection, tables: list[str], what: str) -> None:
    # All at once, which nobody can meet half way: what the service does by itself reads one of them at most.
    await owner.execute("".join(f"ALTER TABLE {table} {what} ROW LEVEL SECURITY;" for table in tables))
