"""Documents as a write leaves them, for tests of what reads them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from referral.actions.index_document import index_document
from referral.domain.visibility import DIRECTORY
from referral.fhir.content import write_content
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.pool import Store

BASE = "https://hub.example/fhir"
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
_seconds = count()


def add_document(
    changes: ChangeSet,
    resource_type: str,
    resource_id: str,
    seen_by: Iterable[str] = ("station",),
    *,
    version: int = 1,
    at: datetime | None = None,
    deleted: bool = False,
    **content: Any,
) -> None:
    """Put a document with its index rows into a change set.

    seen_by: facilities with access; for the directory, networks.
    """
    whole = {"resourceType": resource_type, "id": resource_id, **content}
    moment = at or START + timedelta(seconds=next(_seconds))
    seen_by = list(seen_by)
    changes.documents.append(
        {
            "type": resource_type,
            "id": resource_id,
            "version": version,
            "at": moment,
            "deleted": deleted,
            "owner": seen_by[0] if seen_by else "nobody",
            "content": write_content(whole),
        }
    )
    key = (resource_type, resource_id)
    index_document(changes, key, whole, base=BASE, resolved={}, is_new=version == 1, is_deleted=deleted)
    if resource_type in DIRECTORY:
        changes.directory += [(network, resource_type, resource_id) for network in seen_by]
    else:
        changes.access += [(each, resource_type, resource_id, "owner", "", START) for each in seen_by]


async def put(store: Store, resource_type: str, resource_id: str, *args: Any, **content: Any) -> None:
    """Write one document; see `add_document`."""
    changes = ChangeSet()
    add_document(changes, resource_type, resource_id, *args, **content)
    await write(store, changes)


async def write(store: Store, changes: ChangeSet) -> None:
    async with store.writing(None) as connection:
        await apply_changes(connection, changes)


async def add_network(store: Store, network: str, prefix: str, members: Sequence[str]) -> None:
    """A network with its members, from now on."""
    async with store.writing(None) as connection:
        await connection.execute(
            "INSERT INTO network (id, name, prefix, policy, updated_at) VALUES ($1, $1, $2, '{}', $3)",
            network,
            prefix,
            START,
        )
        for member in members:
            await connection.execute(
                "INSERT INTO facility (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING", member
            )
            await connection.execute(
                "INSERT INTO membership (network, facility, tier, code, document)"
                " VALUES ($1, $2, 'station', $2, $1 || $2)",
                network,
                member,
            )
