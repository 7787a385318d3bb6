"""Opening hours as text (`24/7`, `Mon-Fri 07:00-16:30; Sat 07:00-11:00`) and as elements.

https://hl7.org/fhir/R4/healthcareservice-definitions.html#HealthcareService.availableTime
"""

from collections.abc import Mapping, Sequence
from typing import Any

from referral.domain.opening_hours import ALWAYS, DAYS, spans


def available_times(hours: str) -> list[dict[str, Any]] | None:
    """The elements that say the same; None when they cannot, so that the text has to be kept beside."""
    if hours == ALWAYS:
        return [{"daysOfWeek": list(DAYS), "allDay": True}]
    times = [
        {"daysOfWeek": list(days), "availableStartTime": f"{start}:00", "availableEndTime": f"{end}:00"}
        for days, start, end in spans(hours) or ()
    ]
    return times if opening_hours(times) == hours else None


def opening_hours(times: Sequence[Mapping[str, Any]]) -> str | None:
    """The text for such elements; None when there are none or one of them has no days or no hours."""
    parts = []
    for time in times:
        days = [day for day in DAYS if day in time.get("daysOfWeek", ())]
        start, end = time.get("availableStartTime"), time.get("availableEndTime")
        if time.get("allDay") is True and len(days) == len(DAYS):
            return ALWAYS
        if time.get("allDay") is True:
            start, end = "00:00", "24:00"
        if not days or start is None or end is None:
            return None
        parts.append(f"{_span(days)} {start[:5]}-{end[:5]}")
    return "; ".join(parts) or None


def _span(days: Sequence[str]) -> str:
    positions = [DAYS.index(day) for day in days]
    if len(days) > 2 and positions[-1] - positions[0] == len(days) - 1:
        return f"{days[0].capitalize()}-{days[-1].capitalize()}"
    return ",".join(day.capitalize() for day in days)
