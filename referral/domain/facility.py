"""Places of care, what ties them together, what they can do, and the way between them.

The codes are those of the code systems `tier`, `level`, `affiliation-kind` and `capacity-status`
(`http://referral.example/fhir/CodeSystem/<name>`). A row with dates is in force from `valid_from` to
`valid_to`, both days included; None is open-ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from decimal import Decimal

    from referral.domain.policy_history import PolicyHistory

FacilityId = NewType("FacilityId", str)
NetworkId = NewType("NetworkId", str)
ServiceId = NewType("ServiceId", str)

MAINLAND = "mainland"


class Tier(StrEnum):
    """Place of a facility in one network, lowest first. Not its legal level."""

    STATION = "station"
    SATELLITE = "satellite"
    CORE = "core"
    CENTRAL = "central"

    @property
    def rank(self) -> int:
        """0 for a station to 3 for a central hospital."""
        return _TIER_RANKS[self]

    @property
    def label(self) -> str:
        """The words for a reader: "station", "core hospital"."""
        return self.value if self is Tier.STATION else f"{self.value} hospital"

    @property
    def next(self) -> Tier | None:
        """The tier right above; None for a central hospital."""
        return _NEXT_TIERS.get(self)


_TIER_RANKS = {tier: rank for rank, tier in enumerate(Tier)}
_NEXT_TIERS = dict(zip(list(Tier), list(Tier)[1:], strict=False))


class Level(StrEnum):
    """Legal level of care, lowest first (Law 15/2023/QH15: initial, basic, specialised)."""

    INITIAL = "initial"
    BASIC = "basic"
    SPECIALISED = "specialised"

    @property
    def rank(self) -> int:
        """0 for initial to 2 for specialised care."""
        return _LEVEL_RANKS[self]


_LEVEL_RANKS = {level: rank for rank, level in enumerate(Level)}


class AffiliationKind(StrEnum):
    """What the participating organization does for the organization."""

    MEMBER = "member"
    REFERS_TO = "refers-to"
    SUPPORTS = "supports"
    GREEN_CHANNEL = "green-channel"
    RECOGNISES_RESULTS = "recognises-results"


class CapacityStatus(StrEnum):
    """What a service can take now."""

    CAPACITY = "capacity"
    WAITLIST = "waitlist"
    NO_CAPACITY = "no-capacity"
    ADDITIONAL_ASSESSMENT_REQUIRED = "additional-assessment-required"


class LinkKind(StrEnum):
    """How one travels on a link."""

    ROAD = "road"
    FERRY = "ferry"


def in_force(valid_from: date | None, valid_to: date | None, on: date) -> bool:
    """Tell whether a row with these dates holds on the day `on`."""
    return (valid_from is None or valid_from <= on) and (valid_to is None or on <= valid_to)


@dataclass(frozen=True, slots=True)
class Facility:
    """A place of care. `latitude` and `longitude` in degrees (WGS 84); `position` says how good they are.

    Travel is estimated only between places on one `landmass`.
    """

    id: FacilityId
    name: str
    latitude: float
    longitude: float
    name_en: str | None = None
    level: Level | None = None
    points: int | None = None
    former_level: str | None = None
    landmass: str = MAINLAND
    active: bool = True
    position: str | None = None
    commune: str | None = None
    insurer_code: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A facility in a network. `code` is its id in the network's import file."""

    network: NetworkId
    facility: FacilityId
    tier: Tier
    code: str
    valid_from: date | None = None
    valid_to: date | None = None

    def in_force(self, on: date) -> bool:
        """Tell whether the facility is a member on the day `on`."""
        return in_force(self.valid_from, self.valid_to, on)


@dataclass(frozen=True, slots=True)
class Affiliation:
    """A directed tie: `organization` receives the role, `participating` performs it.

    `needs` are codes of techniques or specialties that the tie is limited to; empty means every need.
    `document` is the id of its OrganizationAffiliation, where it is stored.
    """

    network: NetworkId
    kind: AffiliationKind
    organization: FacilityId
    participating: FacilityId
    needs: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    document: str | None = field(default=None, compare=False)

    def in_force(self, on: date) -> bool:
        """Tell whether the tie holds on the day `on`."""
        return in_force(self.valid_from, self.valid_to, on)

    def serves(self, need: str | None, on: date) -> bool:
        """Tell whether the tie holds on a day for what is needed: the code of a technique or specialty."""
        return self.in_force(on) and (not self.needs or need in self.needs)


@dataclass(frozen=True, slots=True)
class Service:
    """A department or clinic of a specialty. Ages in completed years, both included; `sex` male or female."""

    id: ServiceId
    facility: FacilityId
    name: str
    specialty: str | None = None
    age_min: int | None = None
    age_max: int | None = None
    sex: str | None = None
    hours: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a service said it can take, `free` places, `as_of` when."""

    status: CapacityStatus
    free: int | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Technique:
    """A row of a dated national list. `level` A to D: D from a station upwards, A in central hospitals."""

    list: str
    code: str
    name: str
    name_en: str | None = None
    chapter: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """The right of a facility (or of one service of it) to do a technique."""

    facility: FacilityId
    service: ServiceId | None
    list: str
    technique: str
    state: str = "approved"
    valid_from: date | None = None
    valid_to: date | None = None
    decision: str | None = None

    def in_force(self, on: date) -> bool:
        """Tell whether the technique may be done on the day `on`."""
        return self.state == "approved" and in_force(self.valid_from, self.valid_to, on)


@dataclass(frozen=True, slots=True)
class Link:
    """Travel between two places in minutes, as measured or as the timetable says."""

    network: NetworkId
    origin: FacilityId
    destination: FacilityId
    minutes: Decimal
    kind: LinkKind
    both_ways: bool = True
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """All typed rows of all networks at one version: what a snapshot is built from."""

    facilities: tuple[Facility, ...] = ()
    memberships: tuple[Membership, ...] = ()
    affiliations: tuple[Affiliation, ...] = ()
    services: tuple[Service, ...] = ()
    techniques: tuple[Technique, ...] = ()
    approvals: tuple[Approval, ...] = ()
    links: tuple[Link, ...] = ()
    policies: Mapping[NetworkId, PolicyHistory] = field(default_factory=dict)
    network_names: Mapping[NetworkId, str] = field(default_factory=dict)
