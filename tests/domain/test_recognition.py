"""Which results need not be repeated, by whom, and until when."""

from datetime import date, timedelta

import pytest

from referral.domain.facility import Affiliation, AffiliationKind, FacilityId, NetworkId
from referral.domain.policy import Policy
from referral.domain.policy_rules import LOINC
from referral.domain.recognition import Result, recognised_by, window_of

TODAY = date(2026, 3, 2)
NETWORK = {"id": "harbour", "name": "Harbour network", "prefix": "HN"}
HOUSE, RELIER = FacilityId("laboratory"), FacilityId("hospital")


def policy(**rule: object) -> Policy:
    return Policy.from_mapping({"network": NETWORK, "recognition": [rule] if rule else []})


def tie(relier: str, *needs: str, until: date | None = None) -> Affiliation:
    kind = AffiliationKind.RECOGNISES_RESULTS
    return Affiliation(NetworkId("harbour"), kind, FacilityId(relier), HOUSE, needs, None, until, "tie-1")


@pytest.mark.parametrize(
    ("of", "age", "left"),
    [
        (policy(days=14, codes=["718-7"]), 0, 14),
        (policy(days=14, codes=["718-7"]), 14, 0),
        (policy(days=14, codes=["718-7"]), 15, None),
        (policy(days=14, codes=["2345-7"]), 0, None),
        (policy(days=14), 1, 13),
        (policy(days=14), -1, 15),
        (policy(days=14), -2, None),
        (policy(), 0, None),
        (policy(days=14, valid_to="2026-03-01"), 0, None),
    ],
)
def test_a_window_begins_with_the_day_of_the_result(of: Policy, age: int, left: int | None) -> None:
    result = Result(frozenset({(LOINC, "718-7")}), TODAY - timedelta(days=age), HOUSE)
    expected = None if left is None else (TODAY + timedelta(days=left), "results-14-days")
    assert window_of(result, of, TODAY, TODAY) == expected


def test_a_tie_is_of_one_relier_for_a_need_on_its_days() -> None:
    ties = [tie("other"), tie(RELIER, "surgery"), tie(RELIER, until=TODAY - timedelta(days=1))]
    assert recognised_by(ties, RELIER, "surgery", TODAY) is ties[1]
    assert recognised_by(ties, RELIER, "heart", TODAY) is None
    assert recognised_by(ties, RELIER, None, TODAY - timedelta(days=1)) is ties[2]
