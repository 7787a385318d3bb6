import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.content import read_content, write_content
from referral.fhir.measures import NO_HIGH, NO_LOW, point, quantity_rows

FARTHEST = sys.float_info.max


def read(value: str) -> Any:
    return read_content(f'{{"element": {value}}}'.encode())["element"]


@pytest.mark.parametrize(
    ("element", "rows"),
    [
        ('{"value": 5.40, "system": "urn:u", "code": "mg"}', [("urn:u", "mg", 5.4, 5.4)]),
        (
            '{"value": 5, "unit": "milligram", "system": "urn:u", "code": "mg"}',
            [("urn:u", "mg", 5.0, 5.0), ("", "milligram", 5.0, 5.0)],
        ),
        ('{"value": 5, "unit": "mg", "system": "urn:u", "code": "mg"}', [("urn:u", "mg", 5.0, 5.0)]),
        ('{"value": 5, "unit": "viên"}', [("", "viên", 5.0, 5.0)]),
        ('{"value": 5}', [("", "", 5.0, 5.0)]),
        ('{"value": 5, "comparator": "<"}', [("", "", NO_LOW, 5.0)]),
        ('{"value": 5, "comparator": "<="}', [("", "", NO_LOW, 5.0)]),
        ('{"value": 5, "comparator": ">"}', [("", "", 5.0, NO_HIGH)]),
        ('{"value": 5, "comparator": ">="}', [("", "", 5.0, NO_HIGH)]),
        ('{"low": {"value": 1, "code": "a"}, "high": {"value": 2, "code": "a"}}', [("", "a", 1.0, 2.0)]),
        ('{"low": {"value": 1}}', [("", "", 1.0, NO_HIGH)]),
        ('{"high": {"value": 2, "unit": "năm"}}', [("", "năm", NO_LOW, 2.0)]),
        ("{}", []),
        ('{"unit": "mg"}', []),
        ('{"value": "5"}', []),
        ('{"value": true}', []),
        ('{"low": 1, "high": {"value": "2"}}', []),
        ('{"value": 1e300}', [("", "", 1e300, 1e300)]),
        (f'{{"value": {"9" * 999}}}', [("", "", FARTHEST, FARTHEST)]),
        (f'{{"value": -{"9" * 999}}}', [("", "", -FARTHEST, -FARTHEST)]),
        ("7", []),
        ("null", []),
    ],
)
def test_bounds_and_units(element, rows):
    assert list(quantity_rows(read(element))) == rows


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_value_is_both_of_its_bounds(value):
    digits = write_content({"value": value}).decode()
    if digits == '{"value":-0.000}':
        return
    ((_, _, low, high),) = quantity_rows(read(digits))
    assert low == high == float(value)


@pytest.mark.parametrize(
    ("element", "place"),
    [
        ('{"latitude": 20.8500, "longitude": 106.68, "altitude": 3}', (20.85, 106.68)),
        ('{"latitude": -90, "longitude": 180}', (-90.0, 180.0)),
        ('{"latitude": 90.1, "longitude": 0}', None),
        ('{"latitude": 0, "longitude": -180.5}', None),
        ('{"latitude": 1e300, "longitude": 0}', None),
        ('{"latitude": 20.85}', None),
        ('{"latitude": "20.85", "longitude": 106.68}', None),
        ('"here"', None),
    ],
)
def test_points_on_earth(element, place):
    assert point(read(element)) == place


def test_content_of_our_own_has_decimals():
    assert list(quantity_rows({"value": Decimal("5.40")})) == [("", "", 5.4, 5.4)]
    assert point({"latitude": Decimal("20.8"), "longitude": Decimal(106)}) == (20.8, 106.0)
