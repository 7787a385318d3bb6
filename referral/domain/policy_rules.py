"""What the rules of a network consist of: values, each with the text it rests on and the days it holds.

A rule without a source is a default of this program or an estimate, and is shown as that.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from referral.domain.calendar import Hours
from referral.domain.codes import Direction, Priority
from referral.domain.facility import Facility, Level, Tier, in_force

ICD_10 = "http://hl7.org/fhir/sid/icd-10"
LOINC = "http://loinc.org"

Code = tuple[str, str]
"""System and code."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Where a rule is from (`source`, of the day `dated`), and from when to when it holds."""

    source: str | None = None
    dated: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def in_force(self, on: date) -> bool:
        """Tell whether the rule holds on a day."""
        return in_force(self.valid_from, self.valid_to, on)


class Skipping(StrEnum):
    """Whether a pair may leave out the tiers between sender and target."""

    NEVER = "never"
    WHEN_NEXT_LEVEL_LACKS = "when-next-level-lacks"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Pair:
    """A tier may refer to these tiers."""

    sender: Tier
    targets: frozenset[Tier]
    skipping: Skipping = Skipping.WHEN_NEXT_LEVEL_LACKS
    basis: Basis = Basis()


@dataclass(frozen=True, slots=True)
class TravelSettings:
    """How a road that nobody measured is estimated: great-circle distance x `detour` at `speed_kmh`."""

    detour: float = 1.4
    speed_kmh: float = 40.0


@dataclass(frozen=True, slots=True)
class Weights:
    """`travel` and `answer` multiply minutes; the others are minutes, and zero leaves a term out.

    answer: of the expected time until an answer. level: for each level above what is needed. green_channel:
    where the sender has none to the target. results: where the target repeats all recognisable results, less
    where it repeats some. wait: for each patient who is sent there and has not arrived; waitlist: where all
    that could take the patient say they have one. continuity: where nothing tells of care there before.
    """

    travel: Decimal = Decimal("1.0")
    level: Decimal = Decimal(30)
    green_channel: Decimal = Decimal(0)
    results: Decimal = Decimal(0)
    answer: Decimal = Decimal(0)
    wait: Decimal = Decimal(0)
    waitlist: Decimal = Decimal(0)
    continuity: Decimal = Decimal(0)

    @property
    def goes_by_waits(self) -> bool:
        """Whether it counts how many others are sent to a facility, or that it has a waitlist."""
        return bool(self.wait or self.waitlist)


class InsuranceCase(StrEnum):
    """When the insured pay more for going to a target."""

    SKIPS_LEVELS = "skips-levels"


@dataclass(frozen=True, slots=True)
class Insurance:
    """What going there costs the insured, as minutes that a suggestion adds; `text` says it in words."""

    when: InsuranceCase
    minutes: Decimal
    text: str
    basis: Basis = Basis()


class ClockKind(StrEnum):
    """What somebody owes, and is reminded of."""

    PLACE = "place"
    ACKNOWLEDGE = "acknowledge"
    ANSWER = "answer"
    SUMMARY = "summary"
    CLOSE = "close"


WARN_PERCENT = 100
ESCALATE_PERCENT = 200
"""At which part of a clock's time it warns, and escalates."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How many minutes somebody has, by priority; for routine these are minutes of working time."""

    kind: ClockKind
    minutes: Mapping[Priority, int]
    basis: Basis = Basis()

    def time(self, priority: Priority) -> timedelta:
        """Give the time that somebody has."""
        return timedelta(minutes=self.minutes[priority])


def runs_in_working_time(priority: Priority) -> bool:
    """Tell whether clocks of this priority stand still at night: those of routine alone do."""
    return priority is Priority.ROUTINE


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """What a working calendar is made of; public holidays are those of the country and its part.

    zone: name in the IANA database. country: ISO 3166-1, two letters; subdivision: the part after the hyphen
    of ISO 3166-2. holidays and extra_days: added to what is known of the country.
    """

    zone: str = "UTC"
    country: str | None = None
    subdivision: str | None = None
    weekdays: frozenset[int] = frozenset(range(5))
    hours: tuple[Hours, ...] = ((8 * 60, 17 * 60),)
    holidays: frozenset[date] = frozenset()
    extra_days: frozenset[date] = frozenset()
    basis: Basis = Basis()

    @property
    def minutes_a_week(self) -> int:
        """How many minutes of a week without a holiday are worked."""
        return len(self.weekdays) * sum(closes - opens for opens, closes in self.hours)


@dataclass(frozen=True, slots=True)
class Slip:
    """How long a referral slip is good for, counted from its signing.

    working_days; or `years`, for what the lists of kind `long-slip` name. Both sides are warned so many
    working days before its last day.
    """

    working_days: int = 10
    years: int = 1
    warn_working_days: int = 3
    basis: Basis = Basis()


class ListKind(StrEnum):
    """What a list of codes is for."""

    STRAIGHT_TO_LEVEL = "straight-to-level"
    UP_REFERRAL = "up-referral"
    DOWN_REFERRAL = "down-referral"
    NOTIFIABLE = "notifiable"
    LONG_SLIP = "long-slip"


@dataclass(frozen=True, slots=True)
class CodeList:
    """Codes that a rule speaks of; `text` says it in words.

    to: for `straight-to-level` the lowest tier or level that may be gone to at once; for `down-referral` the
    tier or level that such a patient can be cared for at.
    """

    kind: ListKind
    codes: frozenset[Code]
    to: Tier | Level | None = None
    name: str | None = None
    text: str | None = None
    basis: Basis = Basis()

    def names(self, code: Code) -> bool:
        """Tell whether a code is listed; a category of ICD-10 lists what is below it (C50: C50.1)."""
        system, value = code
        if code in self.codes:
            return True
        return system == ICD_10 and "." in value and (system, value.partition(".")[0]) in self.codes


class Item(StrEnum):
    """What the package of a referral may have to hold."""

    VITAL_SIGNS = "vital-signs"
    DIAGNOSIS = "diagnosis"
    TREATMENT_GIVEN = "treatment-given"
    CONSENT = "consent"
    LEGAL_REPRESENTATIVE = "legal-representative"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Items that a referral needs; an empty set of directions, priorities or specialties means any.

    age_below: only for patients who are younger, in completed years.
    """

    items: tuple[Item, ...]
    directions: frozenset[Direction] = frozenset()
    priorities: frozenset[Priority] = frozenset()
    specialties: frozenset[str] = frozenset()
    age_below: int | None = None
    basis: Basis = Basis()

    def applies(
        self, direction: Direction | None, priority: Priority, specialty: str | None, age: int | None
    ) -> bool:
        """Tell whether a referral needs these items."""
        if self.directions and direction not in self.directions:
            return False
        if self.priorities and priority not in self.priorities:
            return False
        if self.specialties and specialty not in self.specialties:
            return False
        return self.age_below is None or (age is not None and age < self.age_below)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Results of these codes (empty: every result) need not be repeated for so many days."""

    days: int
    codes: frozenset[Code] = frozenset()
    basis: Basis = Basis()

    def names(self, codes: Collection[Code]) -> bool:
        """Tell whether the rule speaks of a result with these codes."""
        return not self.codes or not self.codes.isdisjoint(codes)


class CodeSet(StrEnum):
    """Our own codes that an insurer has numbers for."""

    OUTCOME = "outcome"
    DISPOSITION = "disposition"
    REFERRAL_GROUND = "referral-ground"
    REJECT_REASON = "reject-reason"
    WITHDRAW_REASON = "withdraw-reason"
    MISS_REASON = "miss-reason"


@dataclass(frozen=True, slots=True)
class InsurerCodes:
    """The insurer's codes of one set of ours; `field` is its name for the element."""

    of: CodeSet
    codes: Mapping[str, str]
    field: str | None = None
    basis: Basis = Basis()


@dataclass(frozen=True, slots=True)
class Forms:
    """The form of a transfer, which follows from the levels of sender and target.

    former_levels: lowest first; used where both have one of them, else their levels are.
    """

    former_levels: tuple[str, ...] = ()
    up_next: str | None = None
    up_skipping: str | None = None
    down: str | None = None
    lateral: str | None = None
    basis: Basis = field(default_factory=Basis)

    def form(self, sender: Facility, target: Facility) -> str | None:
        """Give the form of a transfer; None where the levels are not known, or no form is named for it."""
        match self.steps(sender, target):
            case None:
                return None
            case 0:
                return self.lateral
            case 1:
                return self.up_next
            case steps if steps > 1:
                return self.up_skipping
            case _:
                return self.down

    def steps(self, sender: Facility, target: Facility) -> int | None:
        """How many levels the target is above the sender, below zero for one below; None: not known."""
        known = self.former_levels
        if sender.former_level in known and target.former_level in known:
            return known.index(target.former_level) - known.index(sender.former_level)
        if sender.level is not None and target.level is not None:
            return target.level.rank - sender.level.rank
        return None
