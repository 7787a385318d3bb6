"""Words and dates of places of care."""

from datetime import date

import pytest

from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Approval,
    FacilityId,
    Level,
    Membership,
    NetworkId,
    Tier,
    in_force,
)

FIRST, LAST = date(2025, 7, 1), date(2025, 12, 31)


def test_tiers_and_levels_are_ranked_from_low_to_high() -> None:
    assert [tier.rank for tier in (Tier.STATION, Tier.SATELLITE, Tier.CORE, Tier.CENTRAL)] == [0, 1, 2, 3]
    assert [level.rank for level in (Level.INITIAL, Level.BASIC, Level.SPECIALISED)] == [0, 1, 2]


def test_the_next_tier_is_the_one_right_above() -> None:
    assert [tier.next for tier in Tier] == [Tier.SATELLITE, Tier.CORE, Tier.CENTRAL, None]


def test_a_reader_sees_station_and_hospital() -> None:
    assert [tier.label for tier in Tier] == [
        "station",
        "satellite hospital",
        "core hospital",
        "central hospital",
    ]


@pytest.mark.parametrize(
    ("start", "end", "on", "expected"),
    [
        (None, None, FIRST, True),
        (FIRST, LAST, FIRST, True),
        (FIRST, LAST, LAST, True),
        (FIRST, None, date(2025, 6, 30), False),
        (None, LAST, date(2026, 1, 1), False),
    ],
)
def test_both_end_days_count(start: date | None, end: date | None, on: date, expected: bool) -> None:
    house, network = FacilityId("a"), NetworkId("n")
    member = Membership(network, house, Tier.CORE, "a", start, end)
    tie = Affiliation(network, AffiliationKind.REFERS_TO, house, FacilityId("b"), (), start, end)
    approval = Approval(house, None, "list", "1", valid_from=start, valid_to=end)
    assert in_force(start, end, on) is expected
    assert [row.in_force(on) for row in (member, tie, approval)] == [expected] * 3


def test_an_approval_that_is_not_approved_is_never_in_force() -> None:
    assert not Approval(FacilityId("a"), None, "list", "1", state="suspended").in_force(FIRST)
