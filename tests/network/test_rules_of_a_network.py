"""What a network's policy and ties add to a suggestion: lists, green channels, recognised results."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from referral.domain.codes import Direction
from referral.domain.facility import Affiliation, AffiliationKind, Directory, FacilityId
from referral.domain.policy import Policy
from referral.domain.policy_rules import ICD_10
from referral.domain.suggestion import CostCode, Need, Overlay, Suggestion
from referral.network.snapshot import build_snapshot
from referral.network.suggest import suggest
from tests.network.test_suggest import TECHNIQUE, ask, rules, targets
from tests.network.towns import NETWORK, TODAY, approval, directory, policy, town

CLINIC, NEAR, CORE, TOP = "clinic", "near", "core", "top"
STROKE = frozenset({(ICD_10, "I63.1")})


def coast(of: Policy, *ties: Affiliation) -> Directory:
    """A clinic, and along the coast a satellite, a core and a central hospital that can all do it."""
    towns = [
        (town(CLINIC, 0), "station"),
        (town(NEAR, 1, level="basic"), "satellite"),
        (town(CORE, 2, level="basic"), "core"),
        (town(TOP, 3, level="specialised"), "central"),
    ]
    return directory(towns, of, approvals=tuple(map(approval, (NEAR, CORE, TOP))), affiliations=ties)


def tie(kind: AffiliationKind, organization: str, participating: str, *needs: str) -> Affiliation:
    return Affiliation(NETWORK, kind, FacilityId(organization), FacilityId(participating), needs)


def straight(to: str, **keys: object) -> Policy:
    entry = {"kind": "straight-to-level", "to": to, "codes": ["I63"], "source": "a decree", **keys}
    return policy(lists=[entry])


@pytest.mark.parametrize(
    ("of", "open_to"),
    [
        (policy(), [NEAR]),
        (straight("core"), [NEAR, CORE, TOP]),
        (straight("specialised"), [NEAR, TOP]),
        (straight("core", valid_to="2025-06-30"), [NEAR]),
    ],
    ids=["no list", "tier", "level", "of another day"],
)
def test_a_listed_disease_leaves_levels_out(of: Policy, open_to: list[str]) -> None:
    assert sorted(targets(ask(coast(of), Need(TECHNIQUE, codes=STROKE)))) == sorted(open_to)
    assert targets(ask(coast(of), Need(TECHNIQUE, codes=frozenset({(ICD_10, "I10")})))) == [NEAR]


def test_a_list_opens_the_way_up_alone() -> None:
    of = replace(straight("station"), pairs=())
    assert targets(ask(coast(of), Need(TECHNIQUE, codes=STROKE), sender=CORE)) == [TOP]
    down = ask(coast(of), Need(TECHNIQUE, codes=STROKE, direction=Direction.DOWN), sender=CORE)
    assert not down.ranked
    assert rules(down)[NEAR] == "policy"


def terms(found: Suggestion) -> dict[CostCode, tuple[Decimal, str]]:
    return {term.code: (term.minutes, term.text) for term in found.terms}


def test_a_green_channel_saves_what_its_lack_costs() -> None:
    of = policy(weights={"green_channel": 40, "level": 0})
    channel = tie(AffiliationKind.GREEN_CHANNEL, CLINIC, CORE, TECHNIQUE[1])
    core, near = ask(coast(of, channel)).ranked
    assert (core.target, near.target) == (CORE, NEAR)
    assert terms(core)[CostCode.GREEN_CHANNEL] == (Decimal("0.0"), "by the green channel")
    assert terms(near)[CostCode.GREEN_CHANNEL] == (Decimal("40.0"), "no green channel leads there")
    assert near.cost == sum(minutes for minutes, _ in terms(near).values())
    other = tie(AffiliationKind.GREEN_CHANNEL, CLINIC, CORE, "another technique")
    assert targets(ask(coast(of, other))) == [NEAR]
    plain = tie(AffiliationKind.REFERS_TO, CLINIC, CORE)
    assert targets(ask(coast(of, plain))) == [NEAR, CORE]


def test_results_are_repeated_where_they_are_not_recognised() -> None:
    of = policy(
        weights={"results": 30, "level": 0},
        pairs=[{"from": "station", "to": ["satellite", "core"], "skipping": "always"}],
    )
    recognised = tie(AffiliationKind.RECOGNISES_RESULTS, CORE, CLINIC)
    core, near = ask(coast(of, recognised), Need(TECHNIQUE, results=True)).ranked
    assert (core.target, near.target) == (CORE, NEAR)
    assert terms(core)[CostCode.RESULTS] == (Decimal("0.0"), "the results are recognised there")
    assert terms(near)[CostCode.RESULTS] == (Decimal("30.0"), "the results are repeated there")
    without = ask(coast(of, recognised), Need(TECHNIQUE))
    assert targets(without) == [NEAR, CORE]
    assert set(terms(without.ranked[0])) == {CostCode.TRAVEL, CostCode.LEVEL}


def test_each_day_is_judged_by_its_own_policy() -> None:
    of = policy(pairs=[{"from": "station", "to": "core", "valid_from": "2025-07-02", "skipping": "always"}])
    assert not ask(coast(of)).ranked
    snapshot = build_snapshot(1, coast(of))
    asked = (snapshot, NETWORK, Need(TECHNIQUE), FacilityId(CLINIC), Overlay())
    tomorrow = TODAY + timedelta(days=1)
    assert targets(suggest(*asked, tomorrow)) == [CORE]
    assert targets(suggest(*asked, TODAY, rules_of=tomorrow)) == [CORE]
    assert targets(suggest(*asked, tomorrow, rules_of=TODAY)) == []
