"""One resource as it stands, read by who may see it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from referral.store.pool import Connection, Store
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class StoredResource:
    """The newest version; `content` is JSON text, of the last version before where it is deleted."""

    version: int
    updated_at: datetime
    deleted: bool
    content: str


async def read_document(
    store: Store, visible_to: str, resource_type: str, resource_id: str
) -> StoredResource | None:
    """The resource, also a deleted one. None: unknown, or not seen by the facility."""
    row = await store.fetch_as(visible_to, statement("document", "read"), resource_type, resource_id)
    return None if row is None else StoredResource(*row)


async def kept_by(
    connection: Connection,
    key: tuple[str, str],
    *,
    types: Collection[str],
    params: Collection[str],
    going: Collection[tuple[str, str]],
) -> str | None:
    """Why a resource must stay: `referral` or `records` (see the SQL function); None where nothing keeps it.

    types, params: whose references count, and of which parameters. going: what is deleted together.
    """
    gone = [f"{one}/{name}" for one, name in going]
    reason: str | None = await connection.fetchval(
        statement("document", "kept_by"), *key, sorted(types), sorted(params), gone
    )
    return reason
