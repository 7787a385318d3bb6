"""Opening hours as text (`24/7`, `Mon-Fri 07:00-16:30; Sat 07:00-11:00`) and as elements.

https://hl7.org/fhir/R4/healthcareservice-definitions.html#HealthcareService.availableTime
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

ALWAYS: Final = "24/7"

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PART: Final = re.compile(r"([A-Z][a-z]{2}(?:[-,][A-Z][a-z]{2})*) (\d\d:\d\d)-(\d\d:\d\d)", re.ASCII)


def available_times(hours: str) -> list[dict[str, Any]] | None:
    """The elements that say the same; None when they cannot, so that the text has to be kept beside."""
    if hours == ALWAYS:
        return [{"daysOfWeek": list(_DAYS), "allDay": True}]
    times = []
    for part in hours.split("; "):
        match = _PART.fullmatch(part)
        days = _days(match[1]) if match else None
        if match is None or days is None:
            return None
        times.append(
            {
                "daysOfWeek": days,
                "availableStartTime": f"{match[2]}:00",
                "availableEndTime": f"{match[3]}:00",
            }
        )
    return times if opening_hours(times) == hours else None


def opening_hours(times: Sequence[Mapping[str, Any]]) -> str | None:
    """The text for such elements; None when there are none or one of them has no days or no hours."""
    parts = []
    for time in times:
        days = [day for day in _DAYS if day in time.get("daysOfWeek", ())]
        start, end = time.get("availableStartTime"), time.get("availableEndTime")
        if time.get("allDay") is True and len(days) == len(_DAYS):
            return ALWAYS
        if time.get("allDay") is True:
            start, end = "00:00", "24:00"
        if not days or start is None or end is None:
            return None
        parts.append(f"{_span(days)} {start[:5]}-{end[:5]}")
    return "; ".join(parts) or None


def _days(text: str) -> list[str] | None:
    found: list[str] = []
    for span in text.lower().split(","):
        first, _, last = span.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return None
        found += _DAYS[_DAYS.index(first) : _DAYS.index(last or first) + 1]
    return found


def _span(days: Sequence[str]) -> str:
    positions = [_DAYS.index(day) for day in days]
    if len(days) > 2 and positions[-1] - positions[0] == len(days) - 1:
        return f"{days[0].capitalize()}-{days[-1].capitalize()}"
    return ",".join(day.capitalize() for day in days)
