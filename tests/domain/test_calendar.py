"""Working days and hours: sums that add up in every calendar, and cases that a person can check."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral.domain.calendar import WorkingCalendar

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MONDAY = date(2026, 3, 2)
OFFICE = WorkingCalendar(
    HANOI,
    hours=((7 * 60, 11 * 60), (13 * 60, 17 * 60)),
    holidays=frozenset({date(2026, 3, 4)}),
    extra_days=frozenset({date(2026, 3, 7)}),
)


def at(day: date, clock: str) -> datetime:
    """An instant by the clock on the wall in Hanoi."""
    return datetime.combine(day, time.fromisoformat(clock), HANOI)


@st.composite
def calendars(draw: st.DrawFn) -> WorkingCalendar:
    marks = sorted(draw(st.sets(st.integers(0, 48), min_size=2, max_size=5)))
    hours = tuple((one * 30, other * 30) for one, other in zip(marks[::2], marks[1::2], strict=False))
    days = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=5)
    zone = draw(st.sampled_from([UTC, HANOI, ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns")]))
    weekdays = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return WorkingCalendar(zone, weekdays, hours, draw(days), draw(days))


moments = st.integers(0, 365 * 24 * 60).map(lambda minute: NEW_YEAR + timedelta(minutes=minute))
times = st.integers(0, 200).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=40)
@given(calendars(), moments, times)
def test_as_much_working_time_has_passed_as_was_added(
    calendar: WorkingCalendar, start: datetime, amount: timedelta
) -> None:
    end = calendar.add_time(start, amount)
    assert end >= start
    assert calendar.time_between(start, end) == amount


@settings(max_examples=40)
@given(calendars(), moments, times, times)
def test_time_added_in_two_parts_is_time_added_at_once(
    calendar: WorkingCalendar, start: datetime, one: timedelta, other: timedelta
) -> None:
    assert calendar.add_time(calendar.add_time(start, one), other) == calendar.add_time(start, one + other)


@settings(max_examples=40)
@given(calendars(), moments, moments, moments)
def test_time_between_is_the_sum_of_its_parts(
    calendar: WorkingCalendar, one: datetime, two: datetime, three: datetime
) -> None:
    one, two, three = sorted((one, two, three))
    parts = calendar.time_between(one, two) + calendar.time_between(two, three)
    assert calendar.time_between(one, three) == parts <= three - one


@settings(max_examples=40)
@given(calendars(), st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(1, 15))
def test_days_are_counted_one_by_one(calendar: WorkingCalendar, day: date, count: int) -> None:
    end = calendar.add_days(day, count)
    after = (day + timedelta(days=number) for number in range(1, (end - day).days + 1))
    assert sum(map(calendar.is_working_day, after)) == count
    assert calendar.is_working_day(end)
    if calendar.is_working_day(day):
        assert calendar.add_days(end, -count) == day


def test_a_holiday_is_not_worked_and_a_saturday_for_it_is() -> None:
    worked = [OFFICE.is_working_day(MONDAY + timedelta(days=number)) for number in range(7)]
    assert worked == [True, True, False, True, True, True, False]
    assert OFFICE.add_days(MONDAY, 4) == date(2026, 3, 7)
    assert OFFICE.add_days(MONDAY, 0) == MONDAY


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("10:30", 30, "11:00"),
        ("10:30", 60, "13:30"),
        ("12:00", 1, "13:01"),
        ("05:00", 480, "17:00"),
        ("20:00", 0, "20:00"),
    ],
)
def test_time_runs_in_the_hours_alone(start: str, minutes: int, end: str) -> None:
    assert OFFICE.add_time(at(MONDAY, start), timedelta(minutes=minutes)) == at(MONDAY, end)


def test_time_stands_still_over_a_night_and_a_holiday() -> None:
    assert OFFICE.add_time(at(date(2026, 3, 3), "16:30"), timedelta(hours=1)) == at(date(2026, 3, 5), "07:30")


def test_the_day_is_that_of_the_network_and_not_that_of_utc() -> None:
    late = datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert OFFICE.day_of(late) == date(2026, 3, 3)
    assert OFFICE.end_of(MONDAY) == datetime(2026, 3, 2, 17, tzinfo=UTC)


def test_an_hour_that_the_clocks_leave_out_is_not_worked() -> None:
    night = WorkingCalendar(ZoneInfo("Europe/Berlin"), frozenset({6}), ((0, 1440),))
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    lengths = [
        night.time_between(datetime.combine(day, time(), UTC) - timedelta(days=1), night.end_of(day))
        for day in (spring, autumn)
    ]
    assert lengths == [timedelta(hours=23), timedelta(hours=25)]


@pytest.mark.parametrize("missing", [{"weekdays": frozenset()}, {"hours": ()}], ids=["day", "hour"])
def test_a_calendar_in_which_nothing_is_worked_is_none(missing: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs a day and an hour"):
        WorkingCalendar(**missing)  # type: ignore[arg-type]
