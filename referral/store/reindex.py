"""Documents read and indexed again while others write. Works as the role that owns the tables.

No document is locked while it is read: one that has changed since, or is being written just now, is left for
another try. What holds it then has written its index rows itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from referral.store.change_set import ChangeSet, Key
from referral.store.owner import OwnerConnection
from referral.store.statements import statement

# As in apply_changes, whose function this calls: by index, row by row.
_PLANS = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    " SET plan_cache_mode = force_generic_plan; SET jit = off"
)


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document with what its index rows need beside it; `content` is JSON text.

    resolved: what the identifiers (system, value) in its references have stood for. parties: the facilities
    that a referral or an offer is found by, with their parameters.
    """

    key: Key
    version: int
    at: datetime
    deleted: bool
    owner: str
    content: bytes
    resolved: Mapping[tuple[str, str], Key]
    parties: Sequence[tuple[str, str]]


async def begin(connection: OwnerConnection) -> int:
    """Make the connection ready; the number of documents there are."""
    await connection.execute(_PLANS)
    found: int = await connection.fetchval(statement("reindex", "count"))
    return found


async def next_keys(connection: OwnerConnection, after: Key, count: int) -> list[Key]:
    """The keys after one, in their order."""
    rows = await connection.fetch(statement("reindex", "keys"), *after, count)
    return [(row["type"], row["id"]) for row in rows]


async def read_documents(connection: OwnerConnection, keys: Sequence[Key]) -> list[IndexedDocument]:
    """The documents as they stand now, in no order."""
    types, ids = [key[0] for key in keys], [key[1] for key in keys]
    found = []
    for row in await connection.fetch(statement("reindex", "documents"), types, ids):
        parties = (("requester", row["sender"]), ("owner", row["receiver"]), ("requester", row["requester"]))
        resolved = orjson.loads(row["resolved"]) if row["resolved"] else []
        found.append(
            IndexedDocument(
                (row["type"], row["id"]),
                row["version"],
                row["updated_at"],
                row["deleted"],
                row["owner"],
                row["content"].encode(),
                {(system, value): (kind, target) for system, value, kind, target in resolved},
                [(param, facility) for param, facility in parties if facility is not None],
            )
        )
    return found


async def write_index(
    connection: OwnerConnection, documents: Mapping[Key, IndexedDocument], rows: Mapping[Key, ChangeSet]
) -> set[Key]:
    """Index those of the documents that nobody writes and that are as they were read; their keys."""
    keys = sorted(documents)
    versions = [documents[key].version for key in keys]
    async with connection.transaction():
        held = await connection.fetch(
            statement("reindex", "hold"), [key[0] for key in keys], [key[1] for key in keys], versions
        )
        done = [(row["type"], row["id"]) for row in held]
        if done:
            changes = ChangeSet(rewritten={"quantities", "positions"})
            for key in done:
                changes.documents.append(
                    {"type": key[0], "id": key[1], "at": documents[key].at, "content": b"null"}
                )
                changes.tokens += rows[key].tokens
                changes.references += rows[key].references
                changes.dates += rows[key].dates
                changes.strings += rows[key].strings
                changes.quantities += rows[key].quantities
                changes.positions += rows[key].positions
            await connection.execute(
                statement("reindex", "index"),
                [key[0] for key in done],
                [key[1] for key in done],
                changes.parts().decode(),
            )
    return set(done)
