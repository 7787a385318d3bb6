"""The policy of one network: who refers to whom, clocks, slips, lists, weights, each rule of its days.

A policy is built from a mapping (the parsed `policy.toml`, or the same kept as JSON); only `[network]` is
required. What a rule needs to know of the moment (day, working calendar) is an argument.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from referral.domain.calendar import WorkingCalendar
from referral.domain.codes import Direction, Priority
from referral.domain.facility import Facility, NetworkId, Tier
from referral.domain.policy_lists import read_lists
from referral.domain.policy_reader import PolicyError, Reader, Table
from referral.domain.policy_rules import (
    WARN_PERCENT,
    Basis,
    CalendarRules,
    Clock,
    ClockKind,
    Code,
    CodeList,
    CodeSet,
    Forms,
    Insurance,
    InsurerCodes,
    Item,
    ListKind,
    Pair,
    Recognition,
    Requirement,
    Skipping,
    Slip,
    TravelSettings,
    Weights,
    runs_in_working_time,
)
from referral.domain.policy_tables import (
    KEYS,
    read_auto_redirect,
    read_calendar,
    read_clocks,
    read_forms,
    read_insurance,
    read_insurer_codes,
    read_limits,
    read_pairs,
    read_prefix,
    read_recognition,
    read_refuses_down,
    read_required,
    read_slip,
    read_travel,
    read_version,
    read_weights,
)

_DAY = 24 * 60


def default_pairs() -> tuple[Pair, ...]:
    """Step by step upwards, down to any lower tier, and between hospitals of one tier.

    A higher tier is open only when the next level lacks what is needed (the order of transfer of Circular
    14/2014/TT-BYT, article 5).
    """
    pairs = []
    for sender in Tier:
        lateral = sender is not Tier.STATION
        targets = frozenset(target for target in Tier if target is not sender or lateral)
        pairs.append(Pair(sender, targets))
    return tuple(pairs)


def default_clocks() -> Mapping[ClockKind, Clock]:
    """How long somebody has where the policy does not say: estimates of this program, without a source."""
    minutes = {
        ClockKind.PLACE: (15, 60, 4 * 60, 9 * 60),
        ClockKind.ACKNOWLEDGE: (10, 30, 2 * 60, 9 * 60),
        ClockKind.ANSWER: (15, 60, 4 * 60, 18 * 60),
        ClockKind.SUMMARY: (14 * _DAY, 14 * _DAY, 14 * _DAY, 90 * 60),
        ClockKind.CLOSE: (7 * _DAY, 7 * _DAY, 7 * _DAY, 45 * 60),
    }
    return {
        kind: Clock(kind, dict(zip(reversed(Priority), times, strict=True)))
        for kind, times in minutes.items()
    }


_DEFAULT_CLOCKS = default_clocks()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one network.

    basis: of the whole policy; its `valid_from` is the day from which it is to hold. unknown: what nothing
    reads: top-level tables, and keys of a stored policy (`travel.toll`).
    """

    network: NetworkId
    name: str
    prefix: str
    office: str | None = None
    basis: Basis = field(default_factory=Basis)
    pairs: tuple[Pair, ...] = field(default_factory=default_pairs)
    travel: TravelSettings = field(default_factory=TravelSettings)
    limits: Mapping[Priority, Decimal] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights)
    calendar: CalendarRules = field(default_factory=CalendarRules)
    clocks: tuple[Clock, ...] = ()
    auto_redirect: bool = False
    refuses_down_without_service: bool = False
    slip: Slip = field(default_factory=Slip)
    lists: tuple[CodeList, ...] = ()
    required: tuple[Requirement, ...] = ()
    recognition: tuple[Recognition, ...] = ()
    insurance: tuple[Insurance, ...] = ()
    insurer_codes: tuple[InsurerCodes, ...] = ()
    forms: Forms = field(default_factory=Forms)
    unknown: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Table) -> "Policy":
        """Read a policy that a person wrote. Raises PolicyError with every fault at once."""
        return _read(Reader(lenient=False), mapping)

    @classmethod
    def from_stored(cls, mapping: Table) -> "Policy":
        """Read a policy that was stored, perhaps by a newer version: keys not known here go to `unknown`.

        Raises PolicyError for what cannot be read even so.
        """
        return _read(Reader(lenient=True), mapping)

    def limit(self, priority: Priority) -> Decimal | None:
        """Longest travel in minutes for this priority; None when there is no limit."""
        return self.limits.get(priority)

    def skipping(self, sender: Tier, target: Tier, on: date) -> Skipping | None:
        """Give the most generous rule for the pair on that day; None when there is none."""
        rules = {
            pair.skipping
            for pair in self.pairs
            if pair.sender is sender and target in pair.targets and pair.basis.in_force(on)
        }
        generous_first = (Skipping.ALWAYS, Skipping.WHEN_NEXT_LEVEL_LACKS, Skipping.NEVER)
        return next((rule for rule in generous_first if rule in rules), None)

    def refusal(self, sender: Tier, target: Tier, on: date, *, next_level_lacks: bool) -> str | None:
        """Say in words why a tier may not refer to another on a day; None when it may.

        `next_level_lacks`: no facility of the tier right above the sender can do what is needed.
        """
        rule = self.skipping(sender, target, on)
        if rule is None:
            return f"policy: a {sender.label} does not refer to a {target.label}"
        skips = target.rank > sender.rank + 1
        if not skips or rule is Skipping.ALWAYS:
            return None
        if rule is Skipping.NEVER:
            return f"policy: a {sender.label} refers to a {target.label} only through the level between"
        if next_level_lacks:
            return None
        lacks = "only when the next level lacks the technique or service"
        return f"policy: a {sender.label} refers to a {target.label} {lacks}"

    def goes_straight(self, codes: Collection[Code], tier: Tier, target: Facility, on: date) -> bool:
        """Tell whether a list lets what has one of these codes go to the target's tier or level at once."""
        for listed in self.listed(ListKind.STRAIGHT_TO_LEVEL, codes, on):
            stands = tier if isinstance(listed.to, Tier) else target.level
            if stands is not None and listed.to is not None and stands.rank >= listed.to.rank:
                return True
        return False

    def listed(self, kind: ListKind, codes: Collection[Code], on: date) -> tuple[CodeList, ...]:
        """Give the lists of a kind that name one of the codes on a day."""
        return tuple(
            one
            for one in self.lists
            if one.kind is kind and one.basis.in_force(on) and any(map(one.names, codes))
        )

    def clock(self, kind: ClockKind, on: date) -> Clock:
        """Give the clock of a kind on a day; the program's own where the policy has none."""
        ours = (clock for clock in self.clocks if clock.kind is kind and clock.basis.in_force(on))
        return next(ours, _DEFAULT_CLOCKS[kind])

    def due_at(
        self,
        kind: ClockKind,
        priority: Priority,
        since: datetime,
        calendar: WorkingCalendar,
        *,
        on: date,
        percent: int = WARN_PERCENT,
        spent: timedelta = timedelta(),
    ) -> datetime:
        """Give the instant at which so much of a clock has run, of which `spent` before `since`.

        Routine runs in working time alone. `on`: the day whose rules hold, that of the referral.
        """
        left = self.clock(kind, on).time(priority) * percent / 100 - spent
        if runs_in_working_time(priority):
            return calendar.add_time(since, left)
        return since + max(left, timedelta())

    def slip_end(
        self, signed: datetime, codes: Collection[Code], calendar: WorkingCalendar, *, on: date
    ) -> date:
        """Give the last day of a slip, in the network; `codes` are its diagnosis and its technique.

        `on`: the day whose rules hold, that of the referral.
        """
        day = calendar.day_of(signed)
        if not self.listed(ListKind.LONG_SLIP, codes, on):
            return calendar.add_days(day, self.slip.working_days)
        year = day.year + self.slip.years
        try:
            return day.replace(year=year)
        except ValueError:  # the 29th of February
            return day.replace(year=year, day=28)

    def slip_warning(self, end: date, calendar: WorkingCalendar) -> date:
        """Give the day on which both sides are warned that a slip ends."""
        return calendar.add_days(end, -self.slip.warn_working_days)

    def required_items(
        self,
        direction: Direction | None,
        priority: Priority,
        specialty: str | None,
        on: date,
        *,
        age: int | None = None,
    ) -> tuple[Item, ...]:
        """Give what the package of a referral has to hold on a day. age: in completed years."""
        needed = {
            item
            for rule in self.required
            if rule.basis.in_force(on) and rule.applies(direction, priority, specialty, age)
            for item in rule.items
        }
        return tuple(item for item in Item if item in needed)

    def recognised_days(self, codes: Collection[Code], on: date) -> int | None:
        """Give for how many days a result with these codes need not be repeated; None without a rule."""
        rules = [rule for rule in self.recognition if rule.basis.in_force(on) and rule.names(codes)]
        # A rule that names a code goes before one for every result; of several the strictest.
        return next((rule.days for rule in sorted(rules, key=lambda rule: (not rule.codes, rule.days))), None)

    def insurance_on(self, on: date) -> tuple[Insurance, ...]:
        """Give what the insured pay more for on a day."""
        return tuple(rule for rule in self.insurance if rule.basis.in_force(on))

    def grounds(self, on: date) -> tuple[str, ...] | None:
        """Give the grounds of a referral that the insurer has codes for; None where it is not told."""
        for known in self.insurer_codes:
            if known.of is CodeSet.REFERRAL_GROUND and known.basis.in_force(on):
                return tuple(known.codes)
        return None


def _read(reader: Reader, mapping: Table) -> Policy:
    network = reader.table(mapping.get("network", {}), "network", KEYS["network"])
    if "network" not in mapping:
        reader.fault("network", "is required")
        raise PolicyError(reader.faults)
    mapping = _without_old_clocks(reader, mapping)
    calendar = read_calendar(reader, mapping)
    policy = Policy(
        network=NetworkId(reader.required_text(network, "network", "id")),
        name=reader.required_text(network, "network", "name"),
        prefix=read_prefix(reader, network),
        office=reader.text(network, "network", "office"),
        basis=read_version(reader, mapping),
        pairs=read_pairs(reader, mapping) if "pairs" in mapping else default_pairs(),
        travel=read_travel(reader, mapping),
        limits=read_limits(reader, mapping),
        weights=read_weights(reader, mapping),
        calendar=calendar,
        # What was stored in spite of that goes on holding.
        clocks=read_clocks(reader, mapping, None if reader.lenient else calendar),
        auto_redirect=read_auto_redirect(reader, mapping),
        refuses_down_without_service=read_refuses_down(reader, mapping),
        slip=read_slip(reader, mapping),
        lists=read_lists(reader, mapping),
        required=read_required(reader, mapping),
        recognition=read_recognition(reader, mapping),
        insurance=read_insurance(reader, mapping),
        insurer_codes=read_insurer_codes(reader, mapping),
        forms=read_forms(reader, mapping),
    )
    if reader.faults:
        raise PolicyError(reader.faults)
    tables = (name for name in mapping if name not in KEYS)
    return replace(policy, unknown=(*tables, *reader.skipped))


def _without_old_clocks(reader: Reader, mapping: Table) -> Table:
    """Version 0.3 stored [clocks] and [slip] as they were given, and read neither."""
    if not reader.lenient:
        return mapping
    kept = dict(mapping)
    for name, read in (("clocks", read_clocks), ("slip", read_slip)):
        trial = Reader(lenient=True)
        read(trial, mapping)
        if trial.faults:
            reader.skipped.append(name)
            del kept[name]
    return MappingProxyType(kept)
