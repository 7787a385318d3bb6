"""Opening hours as text, such as `24/7` or `Mon-Fri 07:00-16:30; Sat 07:00-11:00`."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

ALWAYS: Final = "24/7"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_PART: Final = re.compile(r"([A-Z][a-z]{2}(?:[-,][A-Z][a-z]{2})*) (\d\d:\d\d)-(\d\d:\d\d)", re.ASCII)

Span = tuple[tuple[str, ...], str, str]
"""Days, of DAYS, and from when to when, as HH:MM; to 24:00 at most, or past midnight where it ends first."""


@lru_cache(maxsize=1024)
def spans(hours: str) -> tuple[Span, ...] | None:
    """The times of which the text tells; None where it tells them otherwise."""
    if hours == ALWAYS:
        return ((DAYS, "00:00", "24:00"),)
    found = []
    for part in hours.split("; "):
        match = _PART.fullmatch(part)
        days = _days(match[1]) if match else None
        if match is None or days is None:
            return None
        found.append((days, match[2], match[3]))
    return tuple(found)


def is_open(hours: str | None, at: datetime) -> bool:
    """Whether it is open at this moment, in the time of the place; so it is when that cannot be told."""
    times = spans(hours) if hours is not None else None
    if times is None:
        return True
    today, yesterday = DAYS[at.weekday()], DAYS[at.weekday() - 1]
    now = at.strftime("%H:%M")
    for days, start, end in times:
        overnight = end <= start
        if today in days and start <= now and (overnight or now < end):
            return True
        if overnight and yesterday in days and now < end:
            return True
    return False


def _days(text: str) -> tuple[str, ...] | None:
    found: list[str] = []
    for span in text.lower().split(","):
        first, _, last = span.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return None
        found += DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]
    return tuple(found)
