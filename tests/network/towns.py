"""A made-up coast: a line of towns going north, 0.1 degrees (about 11.1 km) apart."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from referral.domain.facility import (
    Approval,
    Directory,
    Facility,
    FacilityId,
    Level,
    Link,
    LinkKind,
    Membership,
    NetworkId,
    Service,
    ServiceId,
    Tier,
)
from referral.domain.policy import Policy
from referral.domain.policy_history import PolicyHistory

NETWORK = NetworkId("harbour")
TODAY = date(2025, 7, 1)


def policy(**tables: object) -> Policy:
    return Policy.from_mapping({"network": {"id": NETWORK, "name": "Harbour", "prefix": "HN"}, **tables})


def town(  # noqa: PLR0917 - reads as a row
    name: str,
    north: float,
    landmass: str = "mainland",
    level: str | None = None,
    active: bool = True,
    east: float = 0.0,
) -> Facility:
    return Facility(
        FacilityId(name),
        name.title(),
        20 + north / 10,
        106 + east / 10,
        level=None if level is None else Level(level),
        landmass=landmass,
        active=active,
    )


def member(name: str, tier: str, start: date | None = None, end: date | None = None) -> Membership:
    return Membership(NETWORK, FacilityId(name), Tier(tier), name, start, end)


def approval(name: str, service: str | None = None, start: date | None = None) -> Approval:
    return Approval(
        FacilityId(name), None if service is None else ServiceId(service), "list", "1", valid_from=start
    )


def service(id_: str, name: str, specialty: str = "surgery", **keys: object) -> Service:
    return Service(ServiceId(id_), FacilityId(name), id_.title(), specialty, **keys)  # type: ignore[arg-type]


def link(origin: str, destination: str, minutes: str, kind: str = "road", *, both_ways: bool = True) -> Link:
    return Link(
        NETWORK, FacilityId(origin), FacilityId(destination), Decimal(minutes), LinkKind(kind), both_ways
    )


def directory(
    towns: Mapping[Facility, str] | list[tuple[Facility, str]], of: Policy | None = None, **rows: object
) -> Directory:
    """A network of towns with their tiers, and further rows."""
    pairs = list(towns.items()) if isinstance(towns, Mapping) else towns
    members = tuple(member(facility.id, tier) for facility, tier in pairs if tier)
    more = rows.pop("memberships", ())
    return Directory(
        facilities=tuple(facility for facility, _ in pairs),
        memberships=(*members, *more),  # type: ignore[misc]
        policies={NETWORK: PolicyHistory.of(of or policy())},
        network_names={NETWORK: "Harbour"},
        **rows,  # type: ignore[arg-type]
    )
