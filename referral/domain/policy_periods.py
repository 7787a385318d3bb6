"""Rules that follow each other: for one thing never two at once, and no days between them without one."""

from collections.abc import Hashable, Iterable
from datetime import date, timedelta

from referral.domain.policy_reader import Reader
from referral.domain.policy_rules import Basis

Dated = tuple[str, Hashable, Basis]
"""The path of a rule, what it is about, and when it holds."""


def check_periods(reader: Reader, rules: Iterable[Dated]) -> None:
    """Tell of rules about one thing that overlap, or leave days between them without a rule.

    A stored policy is taken as it is.
    """
    if reader.lenient:
        return
    about: dict[Hashable, list[tuple[date, date, str]]] = {}
    for path, thing, basis in rules:
        period = (basis.valid_from or date.min, basis.valid_to or date.max, path)
        about.setdefault(thing, []).append(period)
    for periods in about.values():
        periods.sort(key=lambda period: period[:2])
        end, last = periods[0][1], periods[0][2]
        for start, until, path in periods[1:]:
            if start <= end:
                reader.fault(f"{path}.valid_from", f"overlaps {last}: on one day only one of them can hold")
            elif start > end + timedelta(days=1):
                between = f"{end + timedelta(days=1)} to {start - timedelta(days=1)}"
                reader.fault(f"{path}.valid_from", f"leaves a gap after {last}: no rule from {between}")
            if until >= end:
                end, last = until, path
