"""A suggestion explains its cost."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import Priority
from referral.domain.facility import FacilityId
from referral.domain.suggestion import CostCode, Need, Overlay, Suggestion, Term


@given(st.lists(st.integers(0, 10**6)))
def test_the_cost_is_the_exact_sum_of_the_terms(tenths: list[int]) -> None:
    terms = tuple(Term(CostCode.TRAVEL, Decimal(each).scaleb(-1), "by road") for each in tenths)
    assert Suggestion(FacilityId("a"), None, terms).cost * 10 == sum(tenths)


def test_a_need_is_routine_unless_it_says_more_and_nothing_is_known_of_the_moment() -> None:
    assert Need().priority is Priority.ROUTINE
    assert (dict(Overlay().capacity), Overlay().rejected) == ({}, frozenset())
