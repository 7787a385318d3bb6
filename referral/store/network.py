"""The typed rows of all networks, as the graph and the suggestions need them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from referral.domain.policy import Policy
from referral.domain.policy_history import PolicyHistory, PolicyVersion
from referral.domain.policy_reader import Fault, PolicyError
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
        policies, unreadable = _histories(tables["policies"])
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
            policies=policies,
            unreadable=unreadable,
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


def _histories(
    rows: Sequence[Row],
) -> tuple[dict[NetworkId, PolicyHistory], dict[NetworkId, tuple[Fault, ...]]]:
    """The policies; and what is wrong with those of which some version cannot be read."""
    found: dict[NetworkId, list[PolicyVersion]] = {}
    unreadable: dict[NetworkId, tuple[Fault, ...]] = {}
    for row in rows:
        network = NetworkId(row["network"])
        try:
            policy = Policy.from_stored(json.loads(row["mapping"]))
        except PolicyError as error:
            unreadable[network] = (*unreadable.get(network, ()), *error.faults)
            continue
        found.setdefault(network, []).append(PolicyVersion(row["number"], row["valid_from"], policy))
    whole = {network: tuple(versions) for network, versions in found.items() if network not in unreadable}
    return {network: PolicyHistory(versions) for network, versions in whole.items()}, unreadable


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
