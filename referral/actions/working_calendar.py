"""The calendar of a policy, with the public holidays of its country (https://holidays.readthedocs.io).

The library is loaded when a policy first names a country: it takes some 40 MB and half a second.
"""

import importlib
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from referral.domain.calendar import WorkingCalendar
from referral.domain.policy_reader import Fault
from referral.domain.policy_rules import CalendarRules

if TYPE_CHECKING:
    from holidays import HolidayBase

_BEFORE, _AFTER = 2, 3
"""Years around the present whose holidays are known: a slip of a year and its warnings lie within."""


def calendar_faults(rules: CalendarRules) -> list[Fault]:
    """Tell which names of a calendar nobody knows: its zone, its country, the part of that."""
    faults = []
    if _zone(rules.zone) is None:
        faults.append(("calendar.timezone", "is no time zone of the IANA database"))
    if rules.country is None:
        return faults
    whole = _holidays(rules.country, None)
    if whole is None:
        faults.append(("calendar.country", "public holidays of this country are not known"))
    elif rules.subdivision is not None and rules.subdivision not in whole.subdivisions:
        known = ", ".join(whole.subdivisions) or "none"
        faults.append(("calendar.subdivision", f"is not known; of {rules.country} these are: {known}"))
    return faults


@lru_cache(maxsize=64)
def working_calendar(rules: CalendarRules, year: int) -> WorkingCalendar:
    """Make the calendar of a policy, with the public holidays of the years around one.

    A zone or country that is not known (any more) is taken as UTC without holidays: what is due is due some
    hours off rather than never. A policy is checked for both before it is stored.
    """
    holidays, extra = rules.holidays, rules.extra_days
    years = range(year - _BEFORE, year + _AFTER + 1)
    known = _holidays(rules.country, rules.subdivision, years) if rules.country is not None else None
    if known is not None:
        # Saturdays and Sundays that are worked for a bridged day.
        extra |= frozenset(known.weekend_workdays) - holidays
        holidays |= frozenset(known) - extra
    return WorkingCalendar(
        zone=_zone(rules.zone) or UTC,
        weekdays=rules.weekdays,
        hours=rules.hours,
        holidays=holidays,
        extra_days=extra,
    )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # as it says of a folder, or of a name with a NUL
        return None


def _holidays(country: str, subdivision: str | None, years: range | None = None) -> "HolidayBase | None":
    make = importlib.import_module("holidays").country_holidays
    try:
        found: HolidayBase = make(country, subdiv=subdivision, years=years)
    except NotImplementedError:  # so it says that it does not know a country, or a part of one
        return None
    return found
