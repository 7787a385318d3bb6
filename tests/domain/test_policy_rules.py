"""What each table of a policy says on a day, and what may not stand in it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from referral.domain.calendar import WorkingCalendar, rules_day
from referral.domain.codes import Direction, Priority
from referral.domain.errors import PolicyUnreadable
from referral.domain.facility import Facility, FacilityId, Level, Tier
from referral.domain.policy import Policy, default_clocks
from referral.domain.policy_history import PolicyHistory, PolicyVersion
from referral.domain.policy_reader import PolicyError
from referral.domain.policy_rules import (
    ICD_10,
    LOINC,
    ClockKind,
    CodeSet,
    InsuranceCase,
    Item,
    ListKind,
)

NETWORK = {"id": "harbour", "name": "Harbour network", "prefix": "HN"}
TODAY = date(2025, 7, 1)
MONDAY = datetime(2025, 7, 7, 8, tzinfo=UTC)
OFFICE = WorkingCalendar(hours=((8 * 60, 16 * 60),), holidays=frozenset({date(2025, 7, 9)}))


def policy(**tables: object) -> Policy:
    return Policy.from_mapping({"network": NETWORK, **tables})


def faults(**tables: object) -> dict[str, str]:
    with pytest.raises(PolicyError) as raised:
        policy(**tables)
    return dict(raised.value.faults)


def clock(
    kind: str = "answer", minutes: tuple[int, int, int, int] = (10, 20, 30, 960), **keys: Any
) -> dict[str, Any]:
    return {"kind": kind, **dict(zip(("stat", "asap", "urgent", "routine"), minutes, strict=True)), **keys}


def test_urgent_clocks_run_through_the_night_and_routine_ones_stop() -> None:
    of = policy(clocks=[clock()])
    evening = MONDAY + timedelta(hours=7)

    def due(priority: Priority, **keys: Any) -> datetime:
        return of.due_at(ClockKind.ANSWER, priority, evening, OFFICE, on=TODAY, **keys)

    assert due(Priority.STAT) == evening + timedelta(minutes=10)
    assert due(Priority.STAT, percent=200) == evening + timedelta(minutes=20)
    assert due(Priority.STAT, spent=timedelta(minutes=4)) == evening + timedelta(minutes=6)
    assert due(Priority.STAT, spent=timedelta(hours=9)) == evening
    # An hour on Monday, all of Tuesday, and after the holiday seven hours on Thursday.
    assert due(Priority.ROUTINE) == datetime(2025, 7, 10, 15, tzinfo=UTC)
    assert due(Priority.ROUTINE, spent=timedelta(days=1)) == evening


def test_a_clock_is_that_of_the_day_and_else_the_programs_own() -> None:
    later = clock(minutes=(1, 2, 3, 4), valid_from="2025-08-01")
    of = policy(clocks=[clock(valid_to="2025-07-31"), later])
    days = (date(2025, 7, 31), date(2025, 8, 1))
    assert [of.clock(ClockKind.ANSWER, day).minutes[Priority.ASAP] for day in days] == [20, 2]
    assert of.clock(ClockKind.PLACE, TODAY) == default_clocks()[ClockKind.PLACE]
    assert set(default_clocks()) == set(ClockKind)


@pytest.mark.parametrize(
    ("signed", "codes", "ends", "warned"),
    [
        (MONDAY, (), date(2025, 7, 22), date(2025, 7, 17)),
        (MONDAY, ("J45.0",), date(2026, 7, 7), date(2026, 7, 2)),
        (datetime(2024, 2, 29, 9, tzinfo=UTC), ("J45",), date(2025, 2, 28), date(2025, 2, 25)),
    ],
    ids=["ten working days", "a year", "from a leap day"],
)
def test_a_slip_ends_after_ten_working_days_or_a_year(
    signed: datetime, codes: tuple[str, ...], ends: date, warned: date
) -> None:
    of = policy(lists=[{"kind": "long-slip", "codes": "J45", "source": "a circular"}])
    assert of.slip_end(signed, [(ICD_10, code) for code in codes], OFFICE, on=rules_day(signed)) == ends
    assert of.slip_warning(ends, OFFICE) == warned


def test_a_list_of_long_slips_holds_on_the_days_of_all_other_rules() -> None:
    long_slip = {"kind": "long-slip", "codes": "J45", "source": "a circular", "valid_from": "2025-07-01"}
    of = policy(lists=[long_slip])
    # In the network it is the first of July already.
    signed = datetime(2025, 6, 30, 18, tzinfo=UTC)
    hanoi = replace(OFFICE, zone=timezone(timedelta(hours=7)))
    assert (hanoi.day_of(signed), rules_day(signed)) == (date(2025, 7, 1), date(2025, 6, 30))
    ends = [of.slip_end(signed, [(ICD_10, "J45")], hanoi, on=day) for day in (rules_day(signed), TODAY)]
    assert ends == [hanoi.add_days(date(2025, 7, 1), 10), date(2026, 7, 1)]


def test_what_is_required_is_the_sum_of_the_rules_that_apply() -> None:
    of = policy(
        required=[
            {"items": ["diagnosis", "vital-signs"], "direction": "up"},
            {"items": ["consent"], "priority": ["routine", "urgent"]},
            {"items": ["treatment-given"], "specialty": "394585009"},
            {"items": ["legal-representative"], "age_below": 16},
            {"items": ["consent"], "valid_to": "2025-06-30"},
        ]
    )

    def needs(priority: Priority, specialty: str | None = None, age: int | None = None) -> tuple[Item, ...]:
        return of.required_items(Direction.UP, priority, specialty, TODAY, age=age)

    assert needs(Priority.STAT) == (Item.VITAL_SIGNS, Item.DIAGNOSIS)
    assert needs(Priority.ROUTINE, "394585009", 15) == tuple(Item)
    assert needs(Priority.STAT, "other", 16) == (Item.VITAL_SIGNS, Item.DIAGNOSIS)
    assert of.required_items(Direction.DOWN, Priority.STAT, None, TODAY) == ()
    assert of.required_items(None, Priority.STAT, None, date(2025, 6, 30)) == (Item.CONSENT,)


def test_lists_include_each_other_and_name_what_is_below_a_category() -> None:
    of = policy(
        lists=[
            {"kind": "up-referral", "include": ["heart", "chest"], "codes": ["S72.0"], "source": "a letter"},
            {"kind": "notifiable", "name": "heart", "include": ["chest"], "source": "a letter"},
            {
                "kind": "down-referral",
                "name": "chest",
                "to": "station",
                "codes": ["I21"],
                "source": "a letter",
            },
        ]
    )

    def listed(kind: ListKind, code: str, system: str = ICD_10) -> bool:
        return bool(of.listed(kind, [(system, code)], TODAY))

    assert listed(ListKind.UP_REFERRAL, "I21.4")
    assert listed(ListKind.NOTIFIABLE, "I21")
    assert not listed(ListKind.DOWN_REFERRAL, "S72.0")
    assert not listed(ListKind.UP_REFERRAL, "S72")
    assert not listed(ListKind.UP_REFERRAL, "I21.4", "urn:other")
    assert not listed(ListKind.UP_REFERRAL, "I22.1")


def place(tier_level: str | None = None, former: str | None = None) -> Facility:
    level = Level(tier_level) if tier_level else None
    return Facility(FacilityId("a"), "A", 0, 0, level=level, former_level=former)


def test_a_listed_disease_goes_straight_to_a_tier_or_a_level() -> None:
    entry = {"kind": "straight-to-level", "codes": ["I21"], "source": "a circular"}
    by_tier, by_level = policy(lists=[entry | {"to": "core"}]), policy(lists=[entry | {"to": "basic"}])
    heart = [(ICD_10, "I21.0")]
    assert by_tier.goes_straight(heart, Tier.CENTRAL, place(), TODAY)
    assert not by_tier.goes_straight(heart, Tier.SATELLITE, place("specialised"), TODAY)
    assert by_level.goes_straight(heart, Tier.SATELLITE, place("specialised"), TODAY)
    assert not by_level.goes_straight(heart, Tier.CENTRAL, place(), TODAY)
    assert not by_level.goes_straight([(ICD_10, "I10")], Tier.CENTRAL, place("basic"), TODAY)
    stored = Policy.from_stored({"network": NETWORK, "lists": [entry | {"to": "core"}]})
    assert stored.goes_straight(heart, Tier.CORE, place(), TODAY)


def test_results_are_recognised_as_long_as_the_closest_rule_says() -> None:
    of = policy(
        recognition=[
            {"days": 30},
            {"days": 3, "codes": ["718-7"]},
            {"days": 9, "codes": ["1-1"], "valid_to": "2025-01-01"},
        ]
    )
    days = [of.recognised_days([(LOINC, code)], TODAY) for code in ("718-7", "2345-7", "1-1")]
    assert days == [3, 30, 30]
    assert policy().recognised_days([(LOINC, "718-7")], TODAY) is None


def test_the_insurers_codes_are_those_of_the_day() -> None:
    of = policy(
        insurer_codes=[
            {"of": "outcome", "codes": {"cured": "1"}, "valid_to": "2025-06-30"},
            {"of": "outcome", "field": "KET_QUA", "codes": {"cured": "K"}, "valid_from": "2025-07-01"},
        ]
    )

    def on(day: date) -> list[tuple[CodeSet, str | None, dict[str, str]]]:
        return [(one.of, one.field, dict(one.codes)) for one in of.insurer_codes if one.basis.in_force(day)]

    assert on(date(2025, 6, 30)) == [(CodeSet.OUTCOME, None, {"cured": "1"})]
    assert on(TODAY) == [(CodeSet.OUTCOME, "KET_QUA", {"cured": "K"})]


def test_the_grounds_are_those_that_the_insurer_has_codes_for() -> None:
    told = {"of": "referral-ground", "codes": {"patient-request": "3"}, "valid_from": "2025-07-01"}
    of = policy(insurer_codes=[{"of": "outcome", "codes": {"cured": "1"}}, told])
    assert of.grounds(TODAY) == ("patient-request",)
    assert of.grounds(date(2025, 6, 30)) is None


def test_the_form_of_a_transfer_follows_from_the_levels() -> None:
    forms = policy(
        forms={
            "former_levels": ["commune", "district", "province"],
            "up_next": "1a",
            "up_skipping": "1b",
            "down": "2",
            "lateral": "3",
        }
    ).forms
    by_former = [
        forms.form(place(former="district"), place("initial", target))
        for target in ("province", "district", "commune")
    ]
    assert by_former == ["1a", "3", "2"]
    assert forms.form(place(former="commune"), place(former="province")) == "1b"
    assert forms.form(place("initial", "commune"), place("specialised", "other")) == "1b"
    assert forms.form(place(former="commune"), place("basic")) is None
    assert policy().forms.form(place("basic"), place("basic")) is None


def test_the_calendar_is_read_as_it_is_written() -> None:
    rules = policy(
        calendar={
            "timezone": "Asia/Ho_Chi_Minh",
            "country": "VN",
            "weekdays": ["mon", "sat"],
            "hours": ["07:30-11:30", "13:00-24:00"],
            "holidays": ["2025-07-04"],
            "extra_days": [date(2025, 7, 6)],
        }
    ).calendar
    assert (rules.zone, rules.country, rules.subdivision) == ("Asia/Ho_Chi_Minh", "VN", None)
    assert (rules.weekdays, rules.hours) == ({0, 5}, ((450, 690), (780, 1440)))
    assert (rules.holidays, rules.extra_days) == ({date(2025, 7, 4)}, {date(2025, 7, 6)})


def test_each_day_has_one_version() -> None:
    one, two, three = (
        PolicyVersion(number, begins, policy(slip={"working_days": number}))
        for number, begins in ((1, None), (2, date(2025, 7, 1)), (3, date(2025, 7, 1)))
    )
    history = PolicyHistory((three, one, two))
    assert history.version_on(date(2025, 6, 30)) is one
    assert history.on(TODAY) is three.policy
    late = PolicyHistory((PolicyVersion(1, date(2030, 1, 1), one.policy),))
    assert late.on(TODAY) is one.policy
    assert PolicyHistory.of(one.policy).on(TODAY) is one.policy


def test_two_rules_for_one_thing_neither_overlap_nor_leave_a_gap() -> None:
    up = {"from": "station", "to": ["satellite", "core"]}
    found = faults(
        pairs=[
            up | {"valid_to": "2025-06-30"},
            up | {"to": "core", "valid_from": "2025-08-01"},
            up | {"to": "satellite", "valid_from": "2025-07-01", "valid_to": "2025-12-31"},
            up | {"to": "satellite", "valid_from": "2025-10-01", "valid_to": "2025-11-30"},
        ],
        clocks=[clock(), clock("place"), clock(valid_from="2025-07-01")],
        insurer_codes=[{"of": "outcome", "codes": {}}, {"of": "outcome"}],
        recognition=[{"days": 1}, {"days": 2}, {"days": 3, "codes": ["a"]}],
    )
    assert found == {
        "pairs[1].valid_from": "leaves a gap after pairs[0]: no rule from 2025-07-01 to 2025-07-31",
        "pairs[3].valid_from": "overlaps pairs[2]: on one day only one of them can hold",
        "clocks[2].valid_from": "overlaps clocks[0]: on one day only one of them can hold",
        "insurer_codes[1].valid_from": "overlaps insurer_codes[0]: on one day only one of them can hold",
        "recognition[1].valid_from": "overlaps recognition[0]: on one day only one of them can hold",
    }


def test_a_circle_of_lists_is_refused() -> None:
    def entry(name: str, *include: str, **keys: object) -> dict[str, object]:
        return {"kind": "notifiable", "source": "a letter", "name": name, "include": list(include), **keys}

    found = faults(
        lists=[
            entry("a", "b"),
            entry("b", "c"),
            entry("c", "a"),
            entry("d", "d"),
            entry("e", "a", "nowhere"),
            entry("a"),
            entry("f", codes=["A00"], source=None),
            entry("g", "e"),
        ]
    )
    assert found == {
        "lists[0].include": "is a circle: 'a' includes itself",
        "lists[1].include": "is a circle: 'b' includes itself",
        "lists[2].include": "is a circle: 'c' includes itself",
        "lists[3].include": "is a circle: 'd' includes itself",
        "lists[4].include": "there is no list named 'nowhere'",
        "lists[5].name": "is that of lists[0]",
        "lists[6].source": "is required: a list without a source has no codes",
    }


def test_what_runs_in_working_time_lasts_a_year_of_it_at_most() -> None:
    an_hour_a_week = {"weekdays": ["mon"], "hours": ["08:00-09:00"]}
    longest = clock() | {"stat": 525_600, "routine": 52 * 60}
    policy(calendar=an_hour_a_week, clocks=[longest])
    longer = [longest | {"routine": 52 * 60 + 1}]
    assert faults(calendar=an_hour_a_week, clocks=longer) == {
        "clocks[0].routine": "must be a whole number from 1 to 3120"
    }
    policy(clocks=longer)
    stored = {"network": NETWORK, "calendar": an_hour_a_week, "clocks": longer}
    assert Policy.from_stored(stored).clocks == policy(clocks=longer).clocks


def test_values_that_mean_nothing_are_told_all_at_once() -> None:
    found = faults(
        version={"valid_from": "soon", "valid_to": "2025-01-01"},
        calendar={
            "country": "vn",
            "subdivision": " ",
            "weekdays": ["monday", 1],
            "hours": ["8-12", 7, "12:00-08:00", "08:00-08:30", "08:15-09:00", "23:00-24:30"],
            "holidays": "2025-02-30",
            "extra_days": 5,
            "timezone": 7,
        },
        clocks=[clock() | {"kind": "tea", "stat": 0, "asap": True}, {"kind": "place", "stat": 1.5}, 7],
        offers={"auto_redirect": "no"},
        slip={"working_days": 0, "years": 99, "warn_working_days": -1},
        lists=[
            {"kind": "tea"},
            {"kind": "straight-to-level", "codes": "measles", "source": "x"},
            {"kind": "notifiable", "to": "core", "codes": [7]},
            {"kind": "down-referral", "to": "moon"},
        ],
        required=[{}, {"items": ["soul"], "direction": ["away"], "age_below": 0, "specialty": [""]}],
        recognition=[{}, {"days": "long", "codes": "a"}],
        insurer_codes=[{"of": "tea"}, {"of": "outcome", "codes": {"cured": 1, "soaked": "2"}}],
        forms={"former_levels": ["a", "a", 7], "up_next": ""},
    )
    assert found == {
        "version.valid_from": "must be a date like 2025-07-01",
        "version.valid_to": "is not known here",
        "calendar.country": "must be two capital letters A-Z (ISO 3166-1)",
        "calendar.subdivision": "must be a text that is not empty",
        "calendar.weekdays": "must list at least one of mon, tue, wed, thu, fri, sat, sun, and no other",
        "calendar.hours": found["calendar.hours"],
        "calendar.holidays": "must be a date like 2025-07-01",
        "calendar.extra_days": "must be a list",
        "calendar.timezone": "must be a text that is not empty",
        "clocks[0].kind": "must be one of place, acknowledge, answer, summary, close",
        "clocks[0].stat": "must be a whole number from 1 to 525600",
        "clocks[0].asap": "must be a whole number from 1 to 525600",
        "clocks[1].stat": "must be a whole number from 1 to 525600",
        "clocks[1].asap": "is required",
        "clocks[1].urgent": "is required",
        "clocks[1].routine": "is required",
        "clocks[2]": "must be a table",
        "offers.auto_redirect": "must be true or false",
        "slip.working_days": "must be a whole number from 1 to 1000",
        "slip.years": "must be a whole number from 1 to 10",
        "slip.warn_working_days": "must be a whole number from 0 to 100",
        "lists[0].kind": f"must be one of {', '.join(ListKind)}",
        "lists[1].codes": "'measles' is not a code of ICD-10",
        "lists[1].to": "is required: the tier or level that may be gone to",
        "lists[2].codes": "must list texts that are not empty",
        "lists[2].to": "means nothing in a list of kind notifiable",
        "lists[3].to": "must be one of station, satellite, core, central, initial, basic, specialised",
        "required[0].items": found["required[0].items"],
        "required[1].items": found["required[1].items"],
        "required[1].direction": "must be one of up, down, lateral",
        "required[1].age_below": "must be a whole number from 1 to 150",
        "required[1].specialty": "must list texts that are not empty",
        "recognition[0].days": "is required",
        "recognition[1].days": "must be a whole number from 1 to 3660",
        "insurer_codes[0].of": found["insurer_codes[0].of"],
        "insurer_codes[1].codes.cured": "must be a text that is not empty",
        "insurer_codes[1].codes.soaked": "is not known here",
        "forms.former_levels": "must list texts that are not empty, each once",
        "forms.up_next": "must be a text that is not empty",
    }


def test_a_table_has_an_end() -> None:
    assert faults(lists=[{"kind": "notifiable"}] * 1001) == {"lists": "has more than 1000 entries"}


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        (["8-12"], "must list times like 07:30-11:30"),
        (["12:00-08:00"], "12:00-08:00 does not end after it begins, or after 24:00"),
        (["23:00-24:30"], "23:00-24:30 does not end after it begins, or after 24:00"),
        (["08:00-12:00", "11:00-13:00"], "11:00-13:00 begins before the hours above it end"),
        (["08:00-08:59"], "must make at least an hour a day"),
        ([], "must make at least an hour a day"),
    ],
)
def test_hours_that_are_none(hours: list[str], says: str) -> None:
    assert faults(calendar={"hours": hours}) == {"calendar.hours": says}


def test_a_part_of_a_country_needs_the_country() -> None:
    assert faults(calendar={"subdivision": "HB"}) == {"calendar.subdivision": "needs a country"}
    assert faults(calendar={"weekdays": []}).keys() == {"calendar.weekdays"}


def test_clocks_and_slips_that_an_older_version_kept_unread_are_left_alone() -> None:
    stored = Policy.from_stored(
        {"network": NETWORK, "clocks": {"answer": {"stat": 15}}, "slip": {"working_days": "ten"}}
    )
    assert (stored.clocks, stored.slip.working_days) == ((), 10)
    assert set(stored.unknown) == {"clocks", "slip"}
    kept = Policy.from_stored({"network": NETWORK, "clocks": [clock()], "slip": {"working_days": 4, "x": 1}})
    assert (len(kept.clocks), kept.slip.working_days, kept.unknown) == (1, 4, ("slip.x",))


def test_what_the_insured_pay_more_for_needs_its_source() -> None:
    rule = {"when": "skips-levels", "minutes": 20, "text": "more to pay", "source": "a table"}
    (known,) = policy(insurance=[rule]).insurance_on(TODAY)
    assert (known.when, known.minutes, known.basis.source) == (InsuranceCase.SKIPS_LEVELS, 20, "a table")
    assert policy(insurance=[rule | {"valid_to": "2025-01-01"}]).insurance_on(TODAY) == ()
    assert policy().insurance == ()
    assert faults(insurance=[{"when": "never"}]) == {
        "insurance[0].when": "must be one of skips-levels",
        "insurance[0].minutes": "is required",
        "insurance[0].source": "is required",
        "insurance[0].text": "is required",
    }


def test_of_several_windows_for_a_result_the_strictest_holds() -> None:
    of = policy(recognition=[{"days": 9, "codes": ["1-1"]}, {"days": 4, "codes": ["2-2"]}])
    assert of.recognised_days({(LOINC, "1-1"), (LOINC, "2-2")}, TODAY) == 4


def test_a_version_that_cannot_be_read_is_missed_on_its_days_alone() -> None:
    known, broken = {"network": NETWORK}, {"network": NETWORK, "weights": {"level": -1}}
    history = PolicyHistory.from_stored([(1, None, known), (2, date(2026, 1, 1), broken)])
    assert history.on(date(2025, 12, 31)) == policy()
    assert history.number_on(date(2026, 1, 1)) == 2
    with pytest.raises(PolicyUnreadable, match="Version 2 of the policy, which holds on 2026-01-01"):
        history.on(date(2026, 1, 1))
    ((path, _),) = history.unread[0].faults
    assert path == "weights.level"
