"""What a criterion asks of the store."""

from datetime import UTC, datetime

import pytest

from referral.domain.search import (
    AnyCriterion,
    ChainCriterion,
    Criterion,
    DateCriterion,
    HasCriterion,
    IdCriterion,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    NearCriterion,
    Prefix,
    ReferenceCriterion,
    StringCriterion,
    StringMode,
    TokenCriterion,
    UriCriterion,
    effort,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = StringCriterion("name", ("an", "binh", "chi"), StringMode.PREFIX)


@pytest.mark.parametrize(
    ("criterion", "asks"),
    [
        (NAMES, 3),
        (TokenCriterion("status", ((None, "a"), (None, "b"))), 2),
        (UriCriterion("url", ("a",)), 1),
        (DateCriterion("date", ((Prefix.EQ, DAY, DAY), (Prefix.LT, DAY, DAY))), 2),
        (NearCriterion("near", ((20.0, 106.0, 5.0),)), 1),
        (AnyCriterion((ReferenceCriterion("a", ((None, "x"),)), ReferenceCriterion("b", ((None, "y"),)))), 2),
        (IdCriterion(("a", "b", "c", "d")), 4),
        (LastUpdatedCriterion(((DAY, DAY),)), 1),
        (MissingCriterion("name", Kind.STRING, missing=True), 1),
        (ChainCriterion("subject", (("Patient", NAMES), ("Group", NAMES))), 46),
        (HasCriterion("Observation", "patient", NAMES), 23),
    ],
)
def test_it_is_counted_in_single_values_and_ways(criterion: Criterion, asks: int):
    assert effort(criterion) == asks
