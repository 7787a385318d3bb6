"""Versions of resources as they were, for who sees the resource now. https://hl7.org/fhir/R4/http.html#history"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from referral.store.document import StoredResource
from referral.store.pool import Store
from referral.store.statements import statement

_MOST_LOOKED_AT: Final = 10_000
"""Changes that one page of a type's history looks at, whoever made them."""

_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_NEWEST_VERSION: Final = 2**31 - 1
_NEWEST: Final = (2**63 - 1, 2**63 - 1)


class Change(NamedTuple):
    """One version of a resource; `content` is JSON text, none where it was deleted.

    kind: `create`, `put` (made under an id of the client's), `update`, `restore` (of what was deleted), or
    `delete`.
    """

    id: str
    version: int
    at: datetime
    kind: str
    content: str | None


class Place(NamedTuple):
    """Where the next page of a type's history begins: after this row, and not before that transaction."""

    transaction: int
    row: int
    first: int


@dataclass(frozen=True, slots=True)
class TypePage:
    """A page of the history of a type, the last commit first. next: None on the last page."""

    changes: tuple[Change, ...]
    next: Place | None


@dataclass(frozen=True, slots=True)
class InstancePage:
    """A page of the history of a resource, the last version first. more: whether there are older ones."""

    changes: tuple[Change, ...]
    more: bool


async def read_version(
    store: Store, visible_to: str, resource_type: str, resource_id: str, version: int
) -> StoredResource | None:
    """One version of a resource, also a deleted one. None: there was none, or it is not seen."""
    if not 0 < version <= _NEWEST_VERSION:
        return None
    async with store.reading(visible_to) as connection:
        row = await connection.fetchrow(
            statement("history", "version"), visible_to, resource_type, resource_id, version
        )
    return None if row is None else StoredResource(*row)


async def instance_history(
    store: Store,
    visible_to: str,
    resource_type: str,
    resource_id: str,
    *,
    count: int,
    since: datetime | None = None,
    before: int | None = None,
) -> InstancePage | None:
    """At most `count` versions made since then and before that version. None: the facility sees no such."""
    async with store.reading(visible_to) as connection:
        rows = await connection.fetch(
            statement("history", "instance"),
            visible_to,
            resource_type,
            resource_id,
            since or _BEGINNING,
            _NEWEST_VERSION if before is None else before,
            count + 1,
        )
    if not rows:
        return None
    found = [
        Change(resource_id, row["version"], row["updated_at"], row["kind"], row["content"])
        for row in rows
        if row["version"] is not None
    ]
    return InstancePage(tuple(found[:count]), len(found) > count)


async def type_history(
    store: Store,
    visible_to: str,
    resource_type: str,
    *,
    count: int,
    since: datetime | None = None,
    after: Place | None = None,
) -> TypePage:
    """At most `count` changes of what the facility sees, in the order of their commits, since then.

    A page may hold fewer, even none, and yet not be the last: what is looked at for one is limited.
    """
    async with store.reading(visible_to) as connection:
        first = after.first if after else 0
        if since is not None and after is None:
            found = await connection.fetchval(statement("history", "first_change"), resource_type, since)
            if found is None:
                return TypePage((), None)
            first = int(found)
        before = (after.transaction, after.row) if after else _NEWEST
        rows = await connection.fetch(
            statement("history", "type"),
            visible_to,
            resource_type,
            since or _BEGINNING,
            str(first),
            str(before[0]),
            before[1],
            count + 1,
            _MOST_LOOKED_AT,
        )
    # The one without an id says how far was looked.
    shown = [row for row in rows if row["id"] is not None][:count]
    last = None
    if len(rows) > count:
        last = shown[-1]
    elif rows and rows[-1]["id"] is None:
        last = rows[-1]
    return TypePage(
        tuple(Change(row["id"], row["version"], row["at"], row["kind"], row["content"]) for row in shown),
        None if last is None else Place(int(last["txid"]), last["seq"], first),
    )
