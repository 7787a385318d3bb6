"""The typed rows of all networks, as the graph and the suggestions need them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Approval,
    Capacity,
    CapacityStatus,
    Directory,
    Facility,
    Level,
    Link,
    LinkKind,
    Membership,
    NetworkId,
    Service,
    Technique,
    Tier,
)
from referral.domain.policy_history import PolicyHistory
from referral.store.pool import Connection
from referral.store.statements import statement

Row = Mapping[str, Any]
_TABLES = (
    "networks",
    "facilities",
    "memberships",
    "affiliations",
    "services",
    "techniques",
    "approvals",
    "links",
    "policies",
)


@dataclass(frozen=True, slots=True)
class DirectoryRows:
    """All typed rows at one version, as they came; `directory` is work for a thread."""

    version: int
    tables: Mapping[str, Sequence[Row]]

    def directory(self) -> Directory:
        """The rows as values. A facility without a position is left out, with all that names it."""
        tables = self.tables
        facilities = tuple(facility_of(row) for row in tables["facilities"])
        placed = {facility.id for facility in facilities}
        services = tuple(service_of(row) for row in tables["services"] if row["facility"] in placed)
        return Directory(
            facilities=facilities,
            memberships=tuple(
                membership_of(row) for row in tables["memberships"] if row["facility"] in placed
            ),
            affiliations=tuple(
                affiliation_of(row)
                for row in tables["affiliations"]
                if row["organization"] in placed and row["participating"] in placed
            ),
            services=services,
            techniques=tuple(Technique(**row) for row in tables["techniques"]),
            approvals=tuple(Approval(**row) for row in tables["approvals"] if row["facility"] in placed),
            links=tuple(
                link_of(row)
                for row in tables["links"]
                if row["origin"] in placed and row["destination"] in placed
            ),
            policies=_histories(tables["policies"]),
            network_names={NetworkId(row["id"]): row["name"] for row in tables["networks"]},
        )


async def network_version(connection: Connection) -> int:
    """The number that every change of the typed rows but capacity raises."""
    version: int = await connection.fetchval(statement("network", "version"))
    return version


async def load_directory(connection: Connection) -> DirectoryRows:
    """All rows at one moment. The connection must not be in a transaction."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        version = await network_version(connection)
        tables: dict[str, list[Row]] = {}
        for table in _TABLES:
            tables[table] = [dict(row) for row in await connection.fetch(statement("network", table))]
        return DirectoryRows(version, tables)


def _histories(rows: Sequence[Row]) -> dict[NetworkId, PolicyHistory]:
    stored: dict[NetworkId, list[tuple[int, date | None, Any]]] = {}
    for row in rows:
        version = (row["number"], row["valid_from"], json.loads(row["mapping"]))
        stored.setdefault(NetworkId(row["network"]), []).append(version)
    return {network: PolicyHistory.from_stored(versions) for network, versions in stored.items()}


def facility_of(row: Row) -> Facility:
    """A facility of a row of its table, with its position."""
    return Facility(**dict(row) | {"level": Level(row["level"]) if row["level"] else None})


def membership_of(row: Row) -> Membership:
    """A membership of a row of its table."""
    return Membership(**dict(row) | {"tier": Tier(row["tier"])})


def affiliation_of(row: Row) -> Affiliation:
    """A tie of a row of its table."""
    return Affiliation(**dict(row) | {"kind": AffiliationKind(row["kind"]), "needs": tuple(row["needs"])})


def service_of(row: Row) -> Service:
    """A service of a row of its table."""
    return Service(**row)


def capacity_of(row: Row) -> Capacity:
    """A capacity of a row of its table."""
    return Capacity(CapacityStatus(row["status"]), row["free"], row["as_of"])


def link_of(row: Row) -> Link:
    """A link of a row of its table."""
    return Link(**dict(row) | {"kind": LinkKind(row["kind"])})
