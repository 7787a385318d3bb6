"""What is stored of a network that is about to be imported, for comparing."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from referral.domain.facility import NetworkId
from referral.store.pool import Connection
from referral.store.statements import statement

Key = tuple[str, str]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredNetworkRow:
    """A network and its policy as JSON values."""

    id: str
    name: str
    prefix: str
    policy: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of the network and of the facilities asked for, as they came."""

    services: Sequence[Row]
    capacities: Sequence[Row]
    techniques: Sequence[Row]
    approvals: Sequence[Row]
    affiliations: Sequence[Row]
    links: Sequence[Row]
    codes: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Standing:
    """A resource beside what it should be.

    version: 0 where there is none. listed: whether the network's directory has it. content: JSON where it
    differs. move, facility, client: its last event, None where it has none.
    """

    version: int
    owner: str | None
    same: bool
    listed: bool
    content: bytes | None
    move: str | None
    facility: str | None
    client: str | None


async def lock_imports(connection: Connection) -> None:
    """Wait for other imports; let go at the end of the transaction."""
    await connection.execute(statement("network_import", "lock"))


async def find_networks(connection: Connection) -> list[StoredNetworkRow]:
    """All networks."""
    rows = await _fetch(connection, "networks")
    return [
        StoredNetworkRow(row["id"], row["name"], row["prefix"], json.loads(row["policy"])) for row in rows
    ]


async def find_memberships(connection: Connection, network: NetworkId) -> Sequence[Row]:
    """All memberships of a network, ended ones too."""
    return await _fetch(connection, "memberships", network)


async def find_facilities(
    connection: Connection, ids: Collection[str], insurer_codes: Collection[str]
) -> Sequence[Row]:
    """Facilities that have one of the ids or one of the insurer's codes."""
    return await _fetch(connection, "facilities", list(ids), list(insurer_codes))


async def find_taken(connection: Connection, keys: Collection[Key], network: NetworkId) -> dict[Key, bool]:
    """Which of these resources exist, and whether the directory of the network has them."""
    types, ids = [key[0] for key in keys], [key[1] for key in keys]
    rows = await _fetch(connection, "taken", types, ids, network)
    return {(row["type"], row["id"]): row["ours"] for row in rows}


async def find_rows(
    connection: Connection, network: NetworkId, facilities: Collection[str], lists: Collection[str]
) -> StoredRows:
    """Typed rows of the network and of these facilities; techniques of these lists."""
    ids = list(facilities)
    return StoredRows(
        services=await _fetch(connection, "services", ids),
        capacities=await _fetch(connection, "capacities", ids),
        techniques=await _fetch(connection, "techniques", list(lists)),
        approvals=await _fetch(connection, "approvals", network, ids),
        affiliations=await _fetch(connection, "affiliations", network),
        links=await _fetch(connection, "links", network),
        codes=await _fetch(connection, "codes", ids, network),
    )


async def compare_documents(
    connection: Connection, wanted: Mapping[Key, bytes], network: NetworkId
) -> dict[Key, Standing]:
    """How resources stand beside the content (JSON, without `id` and `meta`) that they should have."""
    asked = [
        {"type": key[0], "id": key[1], "content": orjson.Fragment(content)} for key, content in wanted.items()
    ]
    rows = await _fetch(connection, "compare", orjson.dumps(asked).decode(), network)
    return {
        (row["type"], row["id"]): Standing(
            version=row["version"] or 0,
            owner=row["owner"],
            same=bool(row["same"]),
            listed=row["listed"],
            content=row["content"].encode() if row["content"] else None,
            move=row["move"],
            facility=row["facility"],
            client=row["client"],
        )
        for row in rows
    }


async def _fetch(connection: Connection, name: str, *arguments: object) -> list[Row]:
    return [dict(row) for row in await connection.fetch(statement("network_import", name), *arguments)]
