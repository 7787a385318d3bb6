"""Public holidays come from a library that is kept up, and a policy adds its own days."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from referral.actions.working_calendar import calendar_faults, working_calendar
from referral.domain.policy_rules import CalendarRules

VIETNAM = CalendarRules(zone="Asia/Ho_Chi_Minh", country="VN", hours=((450, 690), (780, 1020)))
NATIONAL_DAY = date(2026, 9, 2)  # a Wednesday
LABOUR_DAY = date(2027, 5, 1)


def test_the_holidays_of_the_country_are_not_worked() -> None:
    calendar = working_calendar(VIETNAM, 2026)
    assert not calendar.is_working_day(NATIONAL_DAY)
    assert calendar.is_working_day(NATIONAL_DAY + timedelta(days=1))
    assert {LABOUR_DAY, date(2024, 9, 2), date(2029, 9, 2)} <= calendar.holidays
    assert calendar.day_of(datetime(2026, 9, 2, 18, tzinfo=UTC)) == date(2026, 9, 3)


def test_a_weekend_day_is_worked_for_a_bridged_one() -> None:
    calendar = working_calendar(CalendarRules(zone="Asia/Shanghai", country="CN"), 2025)
    assert calendar.is_working_day(date(2025, 1, 26)), "a Sunday before the spring festival"
    assert not calendar.is_working_day(date(2025, 2, 3)), "the Monday that it is worked for"


def test_the_policy_has_the_last_word() -> None:
    own = replace(VIETNAM, holidays=frozenset({date(2026, 9, 3)}), extra_days=frozenset({NATIONAL_DAY}))
    calendar = working_calendar(own, 2026)
    assert calendar.is_working_day(NATIONAL_DAY)
    assert not calendar.is_working_day(date(2026, 9, 3))


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    whole = CalendarRules(zone="Europe/Berlin", country="DE")
    reformation = date(2025, 10, 31)
    assert working_calendar(whole, 2025).is_working_day(reformation)
    assert not working_calendar(replace(whole, subdivision="HH"), 2025).is_working_day(reformation)


def test_what_nobody_knows_is_a_fault_and_runs_without_holidays() -> None:
    unknown = CalendarRules(zone="Moon/Base", country="ZZ")
    assert [path for path, _ in calendar_faults(unknown)] == ["calendar.timezone", "calendar.country"]
    calendar = working_calendar(unknown, 2026)
    assert (calendar.holidays, calendar.day_of(datetime(2026, 9, 2, 18, tzinfo=UTC))) == (set(), NATIONAL_DAY)
    part = replace(VIETNAM, subdivision="31")
    assert [path for path, _ in calendar_faults(part)] == ["calendar.subdivision"]
    assert working_calendar(part, 2026).is_working_day(NATIONAL_DAY)
    assert calendar_faults(VIETNAM) == []
    for zone in ("", "../etc/passwd", "\0", "Asia"):
        assert [path for path, _ in calendar_faults(CalendarRules(zone=zone))] == ["calendar.timezone"]
