"""Ids that tell nothing of the numbers behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.opaque_id import AUDIT_ROW, MOVE, number_behind, opaque_id

KEY, OTHER = bytes(range(32)), bytes(32)
LAST = 2**63 - 1


@given(st.integers(1, LAST), st.binary(min_size=32, max_size=32))
def test_an_id_leads_back_to_its_number_alone(number: int, key: bytes) -> None:
    name = opaque_id(key, MOVE, number)
    assert number_behind(key, MOVE, name) == number
    assert number_behind(key, AUDIT_ROW, name) != number


def test_neighbours_are_nowhere_near() -> None:
    ids = [opaque_id(KEY, AUDIT_ROW, number) for number in range(1, 1001)]
    assert len(set(ids)) == 1000
    assert ids != sorted(ids)
    # Of each place every digit comes in turn: none of them goes with the number.
    for place in range(16):
        assert len({name[place] for name in ids}) == 16
    assert not set(ids) & {opaque_id(OTHER, AUDIT_ROW, number) for number in range(1, 1001)}
    assert opaque_id(KEY, AUDIT_ROW, 1) == "d54e3254d266efec"


@pytest.mark.parametrize("text", ["", "1", "x" * 16, "0" * 15, "0" * 17, "A" * 16, "٠" * 16, "0" * 16 + "\n"])
def test_no_other_text_is_an_id(text: str) -> None:
    assert number_behind(KEY, AUDIT_ROW, text) is None


def test_what_no_row_has_is_of_no_row() -> None:
    """Half of all texts of 16 digits would be of numbers beyond the last."""
    behind = [number_behind(KEY, AUDIT_ROW, f"{number:016x}") for number in range(1000)]
    assert None in behind
    assert all(number is None or 0 < number <= LAST for number in behind)
