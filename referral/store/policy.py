"""The versions of the networks' policies."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from referral.domain.calendar import rules_day
from referral.domain.facility import NetworkId
from referral.store.pool import Connection
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A version as JSON values. valid_from: None where it holds since ever (the first alone)."""

    number: int
    valid_from: date | None
    mapping: Mapping[str, object]
    stored_at: datetime
    stored_by: str


async def find_network_names(connection: Connection) -> dict[NetworkId, tuple[str, str]]:
    """Names and prefixes of all networks."""
    rows = await connection.fetch(statement("policy", "networks"))
    return {NetworkId(row["id"]): (row["name"], row["prefix"]) for row in rows}


async def find_policies(connection: Connection, network: NetworkId) -> list[StoredPolicy]:
    """All versions of a network, those that another one replaced too, in the order in which they came."""
    rows = await connection.fetch(statement("policy", "network_versions"), network)
    return [
        StoredPolicy(
            row["number"],
            row["valid_from"],
            json.loads(row["mapping"]),
            row["stored_at"],
            row["stored_by"],
        )
        for row in rows
    ]


async def find_technique_codes(connection: Connection, lists: Collection[str]) -> set[tuple[str, str]]:
    """Lists and codes of the techniques in these lists."""
    rows = await connection.fetch(statement("policy", "techniques"), list(lists))
    return {(row["list"], row["code"]) for row in rows}


async def store_policy(
    connection: Connection,
    network: NetworkId,
    mapping: Mapping[str, object],
    *,
    valid_from: date | None,
    now: datetime,
    by: str,
) -> int:
    """Add a version and give its number; the processes that serve look for it."""
    policy = json.dumps(mapping)
    number: int = await connection.fetchval(
        statement("policy", "insert"), network, valid_from, policy, now, by
    )
    if valid_from is None or valid_from <= rules_day(now):
        await connection.execute(statement("policy", "put_in_force"), network, policy, now)
    await connection.execute(statement("policy", "raise_version"))
    return number
