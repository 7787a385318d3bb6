"""Working time: what counts as a working day and hour, and what comes so much of it later.

Pure arithmetic. Where a place is (its time zone) and which days are public holidays are values given from
outside; instants are aware, answers are in UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile

_DAY = timedelta(days=1)

Hours = tuple[int, int]
"""From and to, in minutes after midnight on the clock on the wall; 1440 is the end of the day."""


def rules_day(moment: datetime) -> date:
    """Give the day whose rules hold at an instant: in UTC, like all days that are stored."""
    return moment.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """When a network works.

    weekdays: 0 Monday to 6 Sunday. hours: in their order, not overlapping. holidays: not worked, whatever
    the weekday. extra_days: worked nevertheless (a Saturday for a bridged Friday). Raises ValueError where
    no day or no hour is worked, as nothing would ever be due.
    """

    zone: tzinfo = UTC
    weekdays: frozenset[int] = frozenset(range(5))
    hours: tuple[Hours, ...] = ((8 * 60, 17 * 60),)
    holidays: frozenset[date] = field(default_factory=frozenset)
    extra_days: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not self.weekdays or not self.hours:
            raise ValueError("a calendar needs a day and an hour that is worked")

    def is_working_day(self, day: date) -> bool:
        """Tell whether the day is worked."""
        if day in self.extra_days:
            return True
        return day.weekday() in self.weekdays and day not in self.holidays

    def day_of(self, moment: datetime) -> date:
        """Give the day that it is in the network at an instant."""
        return moment.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """Give the instant at which a day ends in the network."""
        return self._instant(day, 24 * 60)

    def add_days(self, day: date, count: int) -> date:
        """Give the working day that is `count` working days after a day (before it, where negative).

        The day itself does not count: the first working day after it is 1.
        """
        step = _DAY if count > 0 else -_DAY
        for _ in range(abs(count)):
            day += step
            while not self.is_working_day(day):
                day += step
        return day

    def add_time(self, start: datetime, amount: timedelta) -> datetime:
        """Give the instant by which so much working time has passed since `start`.

        Where it is used up at the end of the hours, that end and not the next morning.
        """
        if amount <= timedelta():
            return start.astimezone(UTC)
        for begin, end in self._spans(start):
            if amount <= end - begin:
                return begin + amount
            amount -= end - begin
        raise AssertionError("the spans never end")  # pragma: no cover

    def time_between(self, start: datetime, end: datetime) -> timedelta:
        """Give the working time between two instants; none where the end is not after the start."""
        begun = takewhile(lambda span: span[0] < end, self._spans(start))
        return sum((min(until, end) - begin for begin, until in begun), timedelta())

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Give what is worked from an instant on, in UTC, without end."""
        day = self.day_of(start)
        while True:
            if self.is_working_day(day):
                for opens, closes in self.hours:
                    begin = max(self._instant(day, opens), start.astimezone(UTC))
                    end = self._instant(day, closes)
                    if begin < end:
                        yield begin, end
            day += _DAY

    def _instant(self, day: date, minute: int) -> datetime:
        """Give the instant when the clock on the wall shows so many minutes after midnight."""
        wall = datetime.combine(day, time(), self.zone) + timedelta(minutes=minute)
        return wall.astimezone(UTC)
