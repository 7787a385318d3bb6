"""Dates of FHIR as half-open intervals [low, high) in UTC.

`2024-05` is the whole month; a time without a zone is read as UTC. What lies before year 1 or
after year 9999 ends at `BEGINNING` or `END`, which also stand for an open period, so that no
bound is ever absent. Forms: https://hl7.org/fhir/R4/datatypes.html#dateTime; a search value may
also stop at the minutes (https://hl7.org/fhir/R4/search.html#date).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)

# A space stands where a "+" was not escaped in an address; nothing else can be meant.
_FORM: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?:Z|(?P<sign>[+ -])(?P<zone_hour>\d\d):(?P<zone_minute>\d\d))?)?)?)?",
    re.ASCII,
)
_MAX_ZONE: Final = timedelta(hours=14)
_MICROSECOND_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` (within) to `high` (without), both aware and in UTC; `low` <= `high`."""

    low: datetime
    high: datetime


def interval(text: str) -> Interval:
    """Interval that a date, dateTime or instant covers, as wide as its precision.

    Fractions of a second are read down to microseconds. Raises ValueError for another form.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not a date of FHIR")
    zone = _zone(match)
    second = int(match["second"] or 0)
    start = datetime(
        int(match["year"]),
        int(match["month"] or 1),
        int(match["day"] or 1),
        int(match["hour"] or 0),
        int(match["minute"] or 0),
        min(second, 59),
        int((match["fraction"] or "0")[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")),
        tzinfo=UTC,
    )
    if second > 60:
        raise ValueError("no such second")
    leap = timedelta(seconds=1 if second == 60 else 0)
    low = _shifted(start, leap - zone)
    return Interval(low, max(low, _end(match, start, leap - zone)))


def period(start: object, end: object) -> Interval | None:
    """Interval of a Period; None when neither end is a date. An absent end is open."""
    first, last = date_or_none(start), date_or_none(end)
    if first is None and last is None:
        return None
    low = first.low if first else BEGINNING
    return Interval(low, max(low, last.high if last else END))


def widened(span: Interval) -> Interval:
    """The interval with its own length added on both sides (our reading of prefix `ap`)."""
    length = span.high - span.low
    return Interval(
        span.low - length if span.low - BEGINNING > length else BEGINNING,
        span.high + length if END - span.high > length else END,
    )


def date_or_none(value: object) -> Interval | None:
    """Interval of a date; None for anything else."""
    try:
        return interval(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _zone(match: re.Match[str]) -> timedelta:
    if match["sign"] is None:
        return timedelta(0)
    minutes = int(match["zone_minute"])
    zone = timedelta(hours=int(match["zone_hour"]), minutes=minutes)
    if minutes > 59 or zone > _MAX_ZONE:
        raise ValueError("no such zone")
    return -zone if match["sign"] == "-" else zone


def _end(match: re.Match[str], start: datetime, shift: timedelta) -> datetime:
    if match["day"] is None:
        months = 12 if match["month"] is None else 1
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        return _shifted(datetime(year, month + 1, 1, tzinfo=UTC), shift) if year <= END.year else END
    if match["hour"] is None:
        width = timedelta(days=1)
    elif match["second"] is None:
        width = timedelta(minutes=1)
    else:
        digits = min(len(match["fraction"] or ""), _MICROSECOND_DIGITS)
        width = timedelta(microseconds=10 ** (_MICROSECOND_DIGITS - digits))
    return _shifted(start, shift + width)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return END if by > timedelta(0) else BEGINNING
