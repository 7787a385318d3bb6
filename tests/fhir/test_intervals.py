from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.intervals import BEGINNING, END, Interval, date_or_none, interval, period, widened


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", moment(2024, 1, 1), moment(2025, 1, 1)),
        ("2024-12", moment(2024, 12, 1), moment(2025, 1, 1)),
        ("2024-02", moment(2024, 2, 1), moment(2024, 3, 1)),
        ("2024-02-29", moment(2024, 2, 29), moment(2024, 3, 1)),
        ("2024-05-31T23:59", moment(2024, 5, 31, 23, 59), moment(2024, 6, 1)),
        ("2024-05-31T08:00:00", moment(2024, 5, 31, 8), moment(2024, 5, 31, 8, 0, 1)),
        ("2024-05-31T08:00:00Z", moment(2024, 5, 31, 8), moment(2024, 5, 31, 8, 0, 1)),
        ("2024-05-31T08:00:00+07:00", moment(2024, 5, 31, 1), moment(2024, 5, 31, 1, 0, 1)),
        ("2024-05-31T08:00:00 07:00", moment(2024, 5, 31, 1), moment(2024, 5, 31, 1, 0, 1)),
        ("2024-05-31T20:00:00-05:30", moment(2024, 6, 1, 1, 30), moment(2024, 6, 1, 1, 30, 1)),
        (
            "2024-05-31T08:00:00.25Z",
            moment(2024, 5, 31, 8, 0, 0, 250000),
            moment(2024, 5, 31, 8, 0, 0, 260000),
        ),
        (
            "2024-05-31T08:00:00.1234567Z",
            moment(2024, 5, 31, 8, 0, 0, 123456),
            moment(2024, 5, 31, 8, 0, 0, 123457),
        ),
        ("2016-12-31T23:59:60Z", moment(2017, 1, 1), moment(2017, 1, 1, 0, 0, 1)),
        ("9999", moment(9999, 1, 1), END),
        ("9999-12-31", moment(9999, 12, 31), END),
        ("9999-12-31T23:59:59-14:00", END, END),
        ("0001-01-01T00:00:00+14:00", BEGINNING, BEGINNING),
        ("0001-01-01", BEGINNING, moment(1, 1, 2)),
    ],
)
def test_interval(text, low, high):
    assert interval(text) == Interval(low, high)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "24",
            "0000",
            "2024-13",
            "2024-02-30",
            "2024-5-1",
            "2024-05-31T",
            "2024-05-31T08",
            "2024-05-31 08:00",
        ),
        *(
            "2024-05-31T24:00:00Z",
            "2024-05-31T08:00:61Z",
            "2024-05-31T08:00:00+15:00",
            "2024-05-31T08:00:00+07:60",
        ),
        *("2024-05-31T08:00:00.Z", "２０２４", "2024\n", "2024-05Z", "31.5.2024"),
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"not a date|no such|must be in|out of range"):
        interval(text)
    assert date_or_none(text) is None


def test_a_period_is_open_where_an_end_is_absent():
    assert period("2024", None) == Interval(moment(2024, 1, 1), END)
    assert period(None, "2024") == Interval(BEGINNING, moment(2025, 1, 1))
    assert period("2024-01-02", "2024-01-03") == Interval(moment(2024, 1, 2), moment(2024, 1, 4))
    assert period(None, "soon") is None


def test_a_period_that_ends_before_it_starts_has_no_length():
    assert period("2024", "2020") == Interval(moment(2024, 1, 1), moment(2024, 1, 1))


def test_widened_by_its_own_length_and_never_out_of_time():
    assert widened(interval("2024-05-31")) == Interval(moment(2024, 5, 30), moment(2024, 6, 2))
    assert widened(interval("0001")) == Interval(BEGINNING, moment(3, 1, 1))
    assert widened(interval("9999")).high == END
    assert widened(Interval(BEGINNING, END)) == Interval(BEGINNING, END)


@given(st.from_regex(r"\A\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?)?)?\Z"))
def test_every_date_is_an_interval_in_utc_or_refused(text):
    span = date_or_none(text)
    if span is not None:
        assert BEGINNING <= span.low <= span.high <= END
        assert span.low.utcoffset() == timedelta(0) == span.high.utcoffset()


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_covers_itself_alone(at):
    span = interval(at.isoformat())
    assert span.low == at
    assert span.high - span.low <= timedelta(seconds=1)
