"""A policy as lines for a person: each rule with its days and its source, and what it does not have."""

from collections.abc import Iterable, Iterator, Mapping

from referral.domain.calendar import Hours
from referral.domain.codes import Priority
from referral.domain.facility import Tier
from referral.domain.policy import Policy, default_clocks, default_pairs
from referral.domain.policy_rules import (
    Basis,
    CalendarRules,
    Clock,
    ClockKind,
    CodeList,
    CodeSet,
    Forms,
    Insurance,
    InsurerCodes,
    ListKind,
    Recognition,
    Requirement,
)
from referral.domain.policy_tables import WEEKDAYS

_CODES_SHOWN = 12
_ABSENT = "absent: there is no source for any"


def policy_lines(policy: Policy) -> list[str]:
    """Every rule of a policy as a line that begins with its table; in the order of the docs."""
    return list(_lines(policy))


def _lines(policy: Policy) -> Iterator[str]:
    office = f", office {policy.office}" if policy.office else ""
    yield f"network: {policy.network}, {policy.name}, numbers begin with {policy.prefix}{office}"
    yield f"version:{_basis(policy.basis) or ' no source'}"
    own = "" if policy.pairs != default_pairs() else " (the program's own)"
    for pair in policy.pairs:
        targets = ", ".join(tier for tier in Tier if tier in pair.targets)
        yield f"pairs: {pair.sender} to {targets}, skipping {pair.skipping}{own}{_basis(pair.basis)}"
    yield f"travel: distance x {policy.travel.detour} at {policy.travel.speed_kmh} km/h"
    limits = _pairs({priority: f"{minutes} min" for priority, minutes in policy.limits.items()})
    yield f"limits: {limits or 'none'}"
    weights = policy.weights
    yield (
        f"weights: travel x {weights.travel}, answer x {weights.answer}, each patient ahead"
        f" {weights.wait} min, a waitlist {weights.waitlist} min, each level {weights.level} min,"
        f" not known there {weights.continuity} min, no green channel {weights.green_channel} min,"
        f" results repeated {weights.results} min"
    )
    yield from [_insurance(rule) for rule in policy.insurance] or [f"insurance: {_ABSENT}"]
    yield _calendar(policy.calendar)
    yield from _clocks(policy)
    yield f"offers: auto_redirect {'on' if policy.auto_redirect else 'off'}"
    down = "refused" if policy.refuses_down_without_service else "flagged"
    yield f"offers: a way down to a place without the service asked for is {down}"
    slip = policy.slip
    yield (
        f"slip: {slip.working_days} working days, {_count(slip.years, 'year')} for codes of long-slip lists,"
        f" warned {slip.warn_working_days} working days before{_basis(slip.basis)}"
    )
    for kind in ListKind:
        of_kind = [_list(one) for one in policy.lists if one.kind is kind]
        yield from of_kind or [f"lists: {kind} {_ABSENT}"]
    yield from [_required(rule) for rule in policy.required] or [f"required: {_ABSENT}"]
    yield from [_recognition(rule) for rule in policy.recognition] or [f"recognition: {_ABSENT}"]
    for of in CodeSet:
        codes = [_insurer_codes(one) for one in policy.insurer_codes if one.of is of]
        yield from codes or [f"insurer_codes: {of} {_ABSENT}"]
    yield _forms(policy.forms)


def _clocks(policy: Policy) -> Iterator[str]:
    for kind in ClockKind:
        ours = [clock for clock in policy.clocks if clock.kind is kind]
        for clock in ours:
            yield f"clocks: {_clock(clock)}{_basis(clock.basis)}"
        if not ours:
            yield f"clocks: {_clock(default_clocks()[kind])} (default of the program: no source)"


def _clock(clock: Clock) -> str:
    minutes = _pairs({priority: f"{clock.minutes[priority]}" for priority in reversed(Priority)})
    return f"{clock.kind} within minutes: {minutes} (routine: working time)"


def _calendar(rules: CalendarRules) -> str:
    holidays = "no public holidays"
    if rules.country is not None:
        part = f"-{rules.subdivision}" if rules.subdivision else ""
        holidays = f"public holidays of {rules.country}{part}"
    more = [f"not {day}" for day in sorted(rules.holidays)] + [
        f"also {day}" for day in sorted(rules.extra_days)
    ]
    days = " ".join(WEEKDAYS[day] for day in sorted(rules.weekdays))
    hours = " ".join(map(_hours, rules.hours))
    facts = "".join(f", {fact}" for fact in (holidays, *more))
    return f"calendar: {days} {hours}, {rules.zone}{facts}{_basis(rules.basis)}"


def _hours(hours: Hours) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours)


def _list(one: CodeList) -> str:
    codes = sorted(code for _, code in one.codes)
    shown = ", ".join(codes[:_CODES_SHOWN])
    more = f" and {len(codes) - _CODES_SHOWN} more" if len(codes) > _CODES_SHOWN else ""
    facts = [
        str(one.kind),
        *([f"to {one.to}"] if one.to else []),
        *([one.name] if one.name else []),
        *([one.text] if one.text else []),
        f"{_count(len(codes), 'code')}{f' ({shown}{more})' if codes else ''}",
    ]
    return f"lists: {', '.join(facts)}{_basis(one.basis)}"


def _required(rule: Requirement) -> str:
    scopes = [", ".join(sorted(one)) for one in (rule.directions, rule.priorities, rule.specialties) if one]
    if rule.age_below is not None:
        scopes.append(f"younger than {rule.age_below}")
    return (
        f"required: {', '.join(rule.items)} for {'; '.join(scopes) or 'every referral'}{_basis(rule.basis)}"
    )


def _recognition(rule: Recognition) -> str:
    codes = ", ".join(sorted(code for _, code in rule.codes)) or "every result"
    return f"recognition: {codes} for {_count(rule.days, 'day')}{_basis(rule.basis)}"


def _insurance(rule: Insurance) -> str:
    return f"insurance: {rule.when} {rule.minutes} min, {rule.text}{_basis(rule.basis)}"


def _insurer_codes(one: InsurerCodes) -> str:
    field = f" ({one.field})" if one.field else ""
    return f"insurer_codes: {one.of}{field}: {_pairs(one.codes) or 'none'}{_basis(one.basis)}"


def _forms(forms: Forms) -> str:
    named = {
        "to the next level": forms.up_next,
        "leaving levels out": forms.up_skipping,
        "down": forms.down,
        "same level": forms.lateral,
    }
    known = {name: form for name, form in named.items() if form is not None}
    if not known:
        return f"forms: {_ABSENT}"
    levels = f"; former levels {' < '.join(forms.former_levels)}" if forms.former_levels else ""
    return f"forms: {_pairs(known)}{levels}{_basis(forms.basis)}"


def _basis(basis: Basis) -> str:
    days = f", from {basis.valid_from}" if basis.valid_from is not None else ""
    days += f", until {basis.valid_to}" if basis.valid_to is not None else ""
    dated = f" of {basis.dated}" if basis.dated is not None else ""
    return days + (f" [{basis.source}{dated}]" if basis.source is not None else "")


def _pairs(of: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in of.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def difference(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """What differs between the lines of two policies, in their order: `- ` gone, `+ ` new."""
    old, new = list(before), list(after)
    return [f"- {line}" for line in old if line not in new] + [f"+ {line}" for line in new if line not in old]
