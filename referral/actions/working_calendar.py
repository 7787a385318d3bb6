"""The calendar of a policy, with the public holidays of its country (https://holidays.readthedocs.io).

The library is loaded when a policy first names a country: it takes some 40 MB.
"""

import importlib
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from referral.domain.calendar import WorkingCalendar
from referral.domain.policy_reader import Fault
from referral.domain.policy_rules import CalendarRules

_BEFORE, _AFTER = 2, 3
"""Years around the present whose holidays are known: a slip of a year and its warnings lie within."""


def calendar_faults(rules: CalendarRules) -> list[Fault]:
    """Tell which names of a calendar nobody knows: its zone, its country, the part of that."""
    faults = []
    try:
        ZoneInfo(rules.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # as it says of a folder, or of a name with a NUL
        faults.append(("calendar.timezone", "is no time zone of the IANA database"))
    if rules.country is None:
        return faults
    supported = importlib.import_module("holidays").list_supported_countries()
    if rules.country not in supported:
        faults.append(("calendar.country", "public holidays of this country are not known"))
    elif rules.subdivision is not None and rules.subdivision not in supported[rules.country]:
        known = ", ".join(supported[rules.country]) or "none"
        faults.append(("calendar.subdivision", f"is not known; of {rules.country} these are: {known}"))
    return faults


@lru_cache(maxsize=64)
def working_calendar(rules: CalendarRules, year: int) -> WorkingCalendar:
    """Make the calendar of a policy, with the public holidays of the years around one.

    A zone or country that is not known (any more) is taken as UTC without holidays: what is due is due some
    hours off rather than never. A policy is checked for both before it is stored.
    """
    faulty = {path for path, _ in calendar_faults(rules)}
    holidays, extra = rules.holidays, rules.extra_days
    if rules.country is not None and not faulty & {"calendar.country", "calendar.subdivision"}:
        years = range(year - _BEFORE, year + _AFTER + 1)
        country = importlib.import_module("holidays").country_holidays
        known = country(rules.country, subdiv=rules.subdivision, years=years)
        # Saturdays and Sundays that are worked for a bridged day.
        extra |= frozenset(known.weekend_workdays) - holidays
        holidays |= frozenset(known) - extra
    return WorkingCalendar(
        zone=ZoneInfo("UTC" if "calendar.timezone" in faulty else rules.zone),
        weekdays=rules.weekdays,
        hours=rules.hours,
        holidays=holidays,
        extra_days=extra,
    )
