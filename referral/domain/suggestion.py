"""A need, what is true at this moment, and the ranked answer whose terms add up to its cost.

The codes of `CostCode` and `Exclusion` are those of the code systems `cost-term` and `exclusion`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from referral.domain.codes import Direction, Priority
from referral.domain.facility import Capacity, FacilityId, ServiceId
from referral.domain.recognition import Result


class CostCode(StrEnum):
    """What a term of the cost stands for."""

    TRAVEL = "travel"
    ANSWER = "answer"
    WAIT = "wait"
    LEVEL = "level"
    INSURANCE = "insurance"
    CONTINUITY = "continuity"
    GREEN_CHANNEL = "green-channel"
    RESULTS = "results"


class Exclusion(StrEnum):
    """Why a facility is ruled out; the first that applies, in this order."""

    INACTIVE = "inactive"
    POLICY = "policy"
    CAPABILITY = "capability"
    PATIENT = "patient"
    HOURS = "hours"
    CAPACITY = "capacity"
    REJECTED = "rejected"
    DISTANCE = "distance"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Need:
    """What the patient needs.

    `technique` is (list, code) and decides alone when given; else `service`, else `specialty` (a code).
    With none of them every facility has what is needed. `direction` leaves the tiers above (up), below
    (down) or the same (lateral); without it any tier that the policy opens will do. `age` in completed
    years; `sex` as in FHIR: male and female may rule a service out. `codes`, each with its system, are what
    the lists of a policy may name: diagnosis, technique. `results` go with the patient.
    """

    technique: tuple[str, str] | None = None
    specialty: str | None = None
    priority: Priority = Priority.ROUTINE
    direction: Direction | None = None
    age: int | None = None
    sex: str | None = None
    service: ServiceId | None = None
    codes: frozenset[tuple[str, str]] = frozenset()
    results: tuple[Result, ...] = ()

    @property
    def code(self) -> str | None:
        """The code that a tie may be limited to: of the technique, else of the specialty."""
        return self.specialty if self.technique is None else self.technique[1]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is read per request and laid over the snapshot: capacity, and who rejected this referral.

    ahead: how many other patients are sent to a facility and have not arrived. known: facilities that had the
    patient in care before, as far as the asker sees it; None where nothing tells who the patient is.
    at: when the patient comes, in the time of the network, where what is closed then cannot take him.
    """

    capacity: Mapping[ServiceId, Capacity] = field(default_factory=dict)
    rejected: frozenset[FacilityId] = frozenset()
    ahead: Mapping[FacilityId, int] = field(default_factory=dict)
    known: frozenset[FacilityId] | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of the cost, in minutes with one decimal, and its reason in words."""

    code: CostCode
    minutes: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A facility that can take the patient; `service` when the need names the one that would."""

    target: FacilityId
    service: ServiceId | None
    terms: tuple[Term, ...]

    @property
    def cost(self) -> Decimal:
        """Exact sum of the terms, in minutes."""
        return sum((term.minutes for term in self.terms), Decimal("0.0"))


@dataclass(frozen=True, slots=True)
class Excluded:
    """A facility of the network that is ruled out, by which rule, and why in words."""

    target: FacilityId
    rule: Exclusion
    text: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The ranked targets, cheapest first, and the facilities ruled out, by id."""

    ranked: tuple[Suggestion, ...]
    excluded: tuple[Excluded, ...]
