"""One resource as it stands, read by who may see it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from referral.store.pool import Connection, Store
from referral.store.statements import statement
from referral.store.version_cache import VersionCache


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


async def read_versions(
    store: Store, versions: VersionCache, visible_to: str, keys: Iterable[str]
) -> dict[str, bytes]:
    """Versions that the database has named to the facility in this very request: `Type/id","resource":{...}`.

    So they stand in Bundle.entry, behind the address of the endpoint, in UTF-8. What is not remembered is
    read. A version that the facility has stopped seeing meanwhile is left out.
    """
    found, unknown = versions.find(keys)
    if unknown:
        parts = [key.split("/") for key in unknown]
        rows = await store.fetch_all_as(
            visible_to,
            statement("document", "versions"),
            [part[0] for part in parts],
            [part[1] for part in parts],
            [int(part[2]) for part in parts],
        )
        for key, entry in rows:
            found[key] = entry
            versions.keep(key, entry)
    return found


async def kept_by(
    connection: Connection,
    keys: Collection[tuple[str, str]],
    *,
    types: Collection[str],
    params: Collection[str],
) -> list[tuple[tuple[str, str], str]]:
    """Those of the resources (type, id) that must stay though all go together, and why.

    `referral`, `records` or `documents`: see the SQL function, which locks each of them until the end of the
    transaction. types, params: whose references count, and of which parameters.
    """
    # In one order for all commands, so that two of them never wait for each other.
    ordered = sorted(keys)
    rows = await connection.fetch(
        statement("document", "kept_by"),
        [one for one, _ in ordered],
        [name for _, name in ordered],
        sorted(types),
        sorted(params),
    )
    return [((row["type"], row["id"]), row["reason"]) for row in rows]


async def find_standing(
    store: Store, visible_to: str, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The content of those resources that are there and seen by the facility, as JSON text."""
    async with store.reading(visible_to) as connection:
        rows = await connection.fetch(
            statement("document", "standing"),
            visible_to,
            [kind for kind, _ in keys],
            [name for _, name in keys],
        )
    return {(row["type"], row["id"]): row["content"] for row in rows}
