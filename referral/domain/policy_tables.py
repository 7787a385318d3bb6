"""The tables of a policy, each read into the rules that it holds; `KEYS` are all keys there are."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from referral.domain.calendar import Hours
from referral.domain.codes import (
    Direction,
    Disposition,
    MissReason,
    Outcome,
    Priority,
    ReferralGround,
    RejectReason,
    WithdrawReason,
)
from referral.domain.facility import Level, Tier
from referral.domain.policy_periods import Dated, check_periods
from referral.domain.policy_reader import BASIS, Reader, Table
from referral.domain.policy_rules import (
    ICD_10,
    LOINC,
    Basis,
    CalendarRules,
    Clock,
    ClockKind,
    Code,
    CodeSet,
    Forms,
    Insurance,
    InsuranceCase,
    InsurerCodes,
    Item,
    Pair,
    Recognition,
    Requirement,
    Skipping,
    Slip,
    TravelSettings,
    Weights,
    runs_in_working_time,
)

KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "network": ("id", "name", "prefix", "office"),
        "version": BASIS[:3],
        "pairs": ("from", "to", "skipping", *BASIS),
        "travel": ("detour", "speed_kmh"),
        "limits": tuple(Priority),
        "weights": (
            *("travel", "answer", "wait", "waitlist", "level", "continuity", "green_channel", "results"),
        ),
        "calendar": (
            *("timezone", "country", "subdivision", "weekdays", "hours", "holidays", "extra_days"),
            *BASIS[:2],
        ),
        "clocks": ("kind", *Priority, *BASIS),
        "offers": ("auto_redirect", "refuse_down_without_service"),
        "slip": ("working_days", "years", "warn_working_days", *BASIS[:2]),
        "lists": ("kind", "name", "text", "to", "system", "codes", "include", *BASIS),
        "required": ("items", "direction", "priority", "specialty", "age_below", *BASIS),
        "recognition": ("days", "system", "codes", *BASIS),
        "insurance": ("when", "minutes", "text", *BASIS),
        "insurer_codes": ("of", "field", "codes", *BASIS),
        "forms": ("former_levels", "up_next", "up_skipping", "down", "lateral", *BASIS[:2]),
    }
)
"""Every table, and the keys that it may have."""

OF_SET: Final = MappingProxyType(
    {
        CodeSet.OUTCOME: Outcome,
        CodeSet.DISPOSITION: Disposition,
        CodeSet.REFERRAL_GROUND: ReferralGround,
        CodeSet.REJECT_REASON: RejectReason,
        CodeSet.WITHDRAW_REASON: WithdrawReason,
        CodeSet.MISS_REASON: MissReason,
    }
)
"""The codes of a set."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MOST_MINUTES = 525_600
_WEEKS = 52
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_LEAST_WORKED = 60


def read_prefix(reader: Reader, network: Table) -> str:
    """Take the two letters that referral numbers begin with."""
    value = reader.required_text(network, "network", "prefix")
    if value and not re.fullmatch("[A-Z]{2}", value):
        reader.fault("network.prefix", "must be two capital letters A-Z")
    return value


def read_version(reader: Reader, mapping: Table) -> Basis:
    """Take where the policy is from, and from when on it is to hold."""
    return reader.basis(_table(reader, mapping, "version"), "version")


def read_pairs(reader: Reader, mapping: Table) -> tuple[Pair, ...]:
    """Take who may refer to whom."""
    found: list[Pair] = []
    dated: list[Dated] = []
    for path, table in reader.tables(mapping, "pairs", KEYS["pairs"]):
        sender = reader.choice(table.get("from"), f"{path}.from", Tier)
        targets: tuple[Tier, ...] = ()
        if isinstance(table.get("to"), str | list | tuple) and table["to"]:
            targets = reader.choices(table, path, "to", Tier)
        else:
            reader.fault(f"{path}.to", "must list at least one tier")
        skipping = reader.choice(
            table.get("skipping", Skipping.WHEN_NEXT_LEVEL_LACKS), f"{path}.skipping", Skipping
        )
        basis = reader.basis(table, path)
        if sender is not None and skipping is not None:
            found.append(Pair(sender, frozenset(targets), skipping, basis))
            dated += [(path, (sender, target), basis) for target in targets]
    check_periods(reader, dated)
    return tuple(found)


def read_travel(reader: Reader, mapping: Table) -> TravelSettings:
    """Take how a road that nobody measured is estimated."""
    table, usual = _table(reader, mapping, "travel"), TravelSettings()
    return TravelSettings(
        detour=float(reader.number(table, "travel", "detour", Decimal(str(usual.detour)))),
        speed_kmh=float(reader.number(table, "travel", "speed_kmh", Decimal(str(usual.speed_kmh)))),
    )


def read_limits(reader: Reader, mapping: Table) -> Mapping[Priority, Decimal]:
    """Take the longest ways, in minutes; a priority that is absent has no limit."""
    table = _table(reader, mapping, "limits")
    limits = {one: reader.number(table, "limits", one, Decimal(1)) for one in Priority if one.value in table}
    return MappingProxyType(limits)


def read_weights(reader: Reader, mapping: Table) -> Weights:
    """Take what weighs how much when targets are ranked."""
    table, usual = _table(reader, mapping, "weights"), Weights()
    found = {
        key: reader.number(table, "weights", key, getattr(usual, key), zero=True) for key in KEYS["weights"]
    }
    return Weights(**found)


def read_calendar(reader: Reader, mapping: Table) -> CalendarRules:
    """Take when the network works; whether the zone and the country exist is asked outside."""
    table, usual = _table(reader, mapping, "calendar"), CalendarRules()
    country = reader.text(table, "calendar", "country")
    if country is not None and not re.fullmatch("[A-Z]{2}", country):
        reader.fault("calendar.country", "must be two capital letters A-Z (ISO 3166-1)")
    subdivision = reader.text(table, "calendar", "subdivision")
    if subdivision is not None and country is None:
        reader.fault("calendar.subdivision", "needs a country")
    weekdays = usual.weekdays
    if "weekdays" in table:
        named = reader.listed(table, "calendar", "weekdays")
        weekdays = frozenset(WEEKDAYS.index(day) for day in named if isinstance(day, str) and day in WEEKDAYS)
        if not named or any(day not in WEEKDAYS for day in named):
            reader.fault(
                "calendar.weekdays", f"must list at least one of {', '.join(WEEKDAYS)}, and no other"
            )
    return CalendarRules(
        zone=reader.text(table, "calendar", "timezone") or usual.zone,
        country=country,
        subdivision=subdivision,
        weekdays=weekdays,
        hours=_hours(reader, table) if "hours" in table else usual.hours,
        holidays=reader.days(table, "calendar", "holidays"),
        extra_days=reader.days(table, "calendar", "extra_days"),
        basis=reader.basis(table, "calendar"),
    )


def _hours(reader: Reader, table: Table) -> tuple[Hours, ...]:
    found, end = [], 0
    named = reader.listed(table, "calendar", "hours")
    for value in named:
        match = _HOURS.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            reader.fault("calendar.hours", "must list times like 07:30-11:30")
            continue
        one, two, three, four = map(int, match.groups())
        opens, closes = one * 60 + two, three * 60 + four
        if closes <= opens or closes > 24 * 60:
            reader.fault("calendar.hours", f"{value} does not end after it begins, or after 24:00")
        elif opens < end:
            reader.fault("calendar.hours", f"{value} begins before the hours above it end")
        else:
            found.append((opens, closes))
            end = closes
    if not named or (found and sum(closes - opens for opens, closes in found) < _LEAST_WORKED):
        reader.fault("calendar.hours", "must make at least an hour a day")
    return tuple(found)


def read_clocks(reader: Reader, mapping: Table, calendar: CalendarRules | None = None) -> tuple[Clock, ...]:
    """Take how long somebody has for what he owes.

    calendar: what runs in working time lasts at most a year by it, whose holidays are known.
    """
    worked = _WEEKS * calendar.minutes_a_week if calendar is not None else 0
    found: list[Clock] = []
    dated: list[Dated] = []
    for path, table in reader.tables(mapping, "clocks", KEYS["clocks"]):
        kind = reader.choice(table.get("kind"), f"{path}.kind", ClockKind)
        minutes = {}
        for priority in Priority:
            if priority.value in table:
                most = worked if worked and runs_in_working_time(priority) else _MOST_MINUTES
                minutes[priority] = reader.whole(table, path, priority, 1, between=(1, most))
            else:
                reader.fault(f"{path}.{priority}", "is required")
        basis = reader.basis(table, path)
        if kind is not None:
            dated.append((path, kind, basis))
        if kind is not None and len(minutes) == len(Priority):
            found.append(Clock(kind, MappingProxyType(minutes), basis))
    check_periods(reader, dated)
    return tuple(found)


def read_auto_redirect(reader: Reader, mapping: Table) -> bool:
    """Take whether an offer that nobody answers moves along the sender's shortlist."""
    return reader.yes_no(_table(reader, mapping, "offers"), "offers", "auto_redirect")


def read_refuses_down(reader: Reader, mapping: Table) -> bool:
    """Take whether a way down to a place without the service asked for is refused, and not only flagged."""
    return reader.yes_no(_table(reader, mapping, "offers"), "offers", "refuse_down_without_service")


def read_slip(reader: Reader, mapping: Table) -> Slip:
    """Take how long a slip is good for."""
    table, usual = _table(reader, mapping, "slip"), Slip()
    return Slip(
        working_days=reader.whole(table, "slip", "working_days", usual.working_days, between=(1, 1000)),
        years=reader.whole(table, "slip", "years", usual.years, between=(1, 10)),
        warn_working_days=reader.whole(
            table, "slip", "warn_working_days", usual.warn_working_days, between=(0, 100)
        ),
        basis=reader.basis(table, "slip"),
    )


def read_required(reader: Reader, mapping: Table) -> tuple[Requirement, ...]:
    """Take what the package of a referral has to hold."""
    found = []
    for path, table in reader.tables(mapping, "required", KEYS["required"]):
        items = reader.choices(table, path, "items", Item)
        if not table.get("items"):
            reader.fault(f"{path}.items", f"must list at least one of {', '.join(Item)}")
        age = reader.whole(table, path, "age_below", 1, between=(1, 150)) if "age_below" in table else None
        found.append(
            Requirement(
                items=items,
                directions=frozenset(reader.choices(table, path, "direction", Direction)),
                priorities=frozenset(reader.choices(table, path, "priority", Priority)),
                specialties=reader.texts(table, path, "specialty"),
                age_below=age,
                basis=reader.basis(table, path),
            )
        )
    return tuple(found)


def read_recognition(reader: Reader, mapping: Table) -> tuple[Recognition, ...]:
    """Take how long results need not be repeated; a rule without codes is for what no other names."""
    found: list[Recognition] = []
    dated: list[Dated] = []
    for path, table in reader.tables(mapping, "recognition", KEYS["recognition"]):
        if "days" not in table:
            reader.fault(f"{path}.days", "is required")
        days = reader.whole(table, path, "days", 1, between=(1, 3660))
        codes, basis = read_codes(reader, table, path, LOINC), reader.basis(table, path)
        found.append(Recognition(days, codes, basis))
        dated += [(path, code, basis) for code in sorted(codes)] or [(path, None, basis)]
    check_periods(reader, dated)
    return tuple(found)


def read_insurance(reader: Reader, mapping: Table) -> tuple[Insurance, ...]:
    """Take what the insured pay more for; without a source there is no such rule."""
    found: list[Insurance] = []
    dated: list[Dated] = []
    for path, table in reader.tables(mapping, "insurance", KEYS["insurance"]):
        when = reader.choice(table.get("when"), f"{path}.when", InsuranceCase)
        for key in ("minutes", "source"):
            if table.get(key) is None:
                reader.fault(f"{path}.{key}", "is required")
        minutes = reader.number(table, path, "minutes", Decimal(1))
        text, basis = reader.required_text(table, path, "text"), reader.basis(table, path)
        if when is not None:
            found.append(Insurance(when, minutes, text, basis))
            dated.append((path, when, basis))
    check_periods(reader, dated)
    return tuple(found)


def read_codes(reader: Reader, table: Table, path: str, usual: str) -> frozenset[Code]:
    """Take the codes of one system; those of ICD-10 must look like one."""
    system = reader.text(table, path, "system") or usual
    codes = reader.texts(table, path, "codes")
    if system == ICD_10:
        for code in sorted(codes):
            if not re.fullmatch(r"[A-Z]\d\d(\.[0-9A-Z]{1,4})?", code, re.ASCII):
                reader.fault(f"{path}.codes", f"{code[:20]!r} is not a code of ICD-10")
    return frozenset((system, code) for code in codes)


def read_insurer_codes(reader: Reader, mapping: Table) -> tuple[InsurerCodes, ...]:
    """Take the insurer's codes of ours."""
    found: list[InsurerCodes] = []
    dated: list[Dated] = []
    for path, table in reader.tables(mapping, "insurer_codes", KEYS["insurer_codes"]):
        of = reader.choice(table.get("of"), f"{path}.of", CodeSet)
        field, basis = reader.text(table, path, "field"), reader.basis(table, path)
        if of is not None:
            codes = reader.table(table.get("codes", {}), f"{path}.codes", tuple(OF_SET[of]))
            known = {
                one.value: reader.required_text(codes, f"{path}.codes", one)
                for one in OF_SET[of]
                if one in codes
            }
            found.append(InsurerCodes(of, MappingProxyType(known), field, basis))
            dated.append((path, of, basis))
    check_periods(reader, dated)
    return tuple(found)


def read_forms(reader: Reader, mapping: Table) -> Forms:
    """Take which form a transfer is of."""
    table = _table(reader, mapping, "forms")
    levels: list[str] = []
    for value in reader.listed(table, "forms", "former_levels"):
        if not isinstance(value, str) or not value.strip() or value in levels:
            reader.fault("forms.former_levels", "must list texts that are not empty, each once")
        else:
            levels.append(value)
    return Forms(
        former_levels=tuple(levels),
        up_next=reader.text(table, "forms", "up_next"),
        up_skipping=reader.text(table, "forms", "up_skipping"),
        down=reader.text(table, "forms", "down"),
        lateral=reader.text(table, "forms", "lateral"),
        basis=reader.basis(table, "forms"),
    )


def read_place(reader: Reader, table: Table, path: str) -> Tier | Level | None:
    """Take a tier or a level that may be absent."""
    value = table.get("to")
    if value is None:
        return None
    if isinstance(value, str) and value in tuple(Tier):
        return Tier(value)
    if isinstance(value, str) and value in tuple(Level):
        return Level(value)
    reader.fault(f"{path}.to", f"must be one of {', '.join((*Tier, *Level))}")
    return None


def _table(reader: Reader, mapping: Table, name: str) -> Table:
    return reader.table(mapping.get(name, {}), name, KEYS[name])
