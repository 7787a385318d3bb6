from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.errors import InvalidElement
from referral.domain.search import Cursor, Kind, SortKey
from referral.fhir.search_cursor import decode_cursor, encode_cursor

MAY = datetime(2024, 5, 1, tzinfo=UTC)
SORTS = [SortKey("_id"), SortKey("_lastUpdated", descending=True), SortKey("authored-on")]


@given(st.sampled_from(SORTS), st.datetimes(timezones=st.just(UTC)) | st.none())
def test_a_cursor_comes_back(sort, value):
    if sort.param == "_id":
        value = None
    elif sort.param == "_lastUpdated" and value is None:
        value = MAY
    text = encode_cursor(sort, value, "a-1.B")
    assert decode_cursor(text, sort) == Cursor(value, "a-1.B")


@given(st.floats(allow_nan=False))
def test_a_cursor_of_a_number_comes_back(value):
    sort = SortKey("value-quantity", kind=Kind.QUANTITY)
    assert decode_cursor(encode_cursor(sort, repr(value), "a"), sort) == Cursor(repr(value), "a")


@pytest.mark.parametrize("number", ["1e999", "nan", "1_0", "1", " 1.0", "0x1", "eins", ""])
def test_a_number_that_we_never_write_is_refused(number):
    sort = SortKey("value-quantity", kind=Kind.QUANTITY)
    with pytest.raises(InvalidElement, match="_cursor"):
        decode_cursor(encode_cursor(sort, number, "a"), sort)


@pytest.mark.parametrize(
    ("made_for", "value", "resource_id", "read_for"),
    [
        (SortKey("authored-on"), MAY, "a", SortKey("authored-on", descending=True)),
        (SortKey("_id"), MAY, "a", SortKey("_id")),
        (SortKey("_lastUpdated"), None, "a", SortKey("_lastUpdated")),
        (SortKey("_id"), None, "a'b", SortKey("_id")),
        (SortKey("_id"), None, "a" * 300, SortKey("_id")),
    ],
)
def test_a_cursor_of_another_order_or_that_we_never_make_is_refused(made_for, value, resource_id, read_for):
    with pytest.raises(InvalidElement, match="_cursor"):
        decode_cursor(encode_cursor(made_for, value, resource_id), read_for)


@pytest.mark.parametrize(
    "text",
    [
        "WzFd",  # [1]
        "WyJfaWQiLG51bGwsMV0",  # ["_id",null,1]
        "WyJhdXRob3JlZC1vbiIsIjIwMjQtMDUtMDEiLCJhIl0",  # a moment without a zone
        "WyJhdXRob3JlZC1vbiIsIjAwMDEtMDEtMDFUMDA6MDA6MDArMTQ6MDAiLCJhIl0",  # before the beginning of time
        "W1tb" * 99,
        "é",
        "=",
    ],
)
def test_garbage_is_not_a_cursor(text):
    with pytest.raises(InvalidElement, match="_cursor"):
        decode_cursor(text, SortKey("authored-on"))


def test_a_cursor_in_another_zone_is_written_in_utc():
    there = MAY.astimezone(timezone(timedelta(hours=7)))
    sort = SortKey("authored-on")
    assert encode_cursor(sort, there, "a") == encode_cursor(sort, MAY, "a")
