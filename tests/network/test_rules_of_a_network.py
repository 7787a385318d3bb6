"""What a network's policy and ties add to a suggestion: lists, green channels, recognised results."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from referral.domain.answer_times import AnswerTimes
from referral.domain.codes import Direction
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Capacity,
    CapacityStatus,
    Directory,
    FacilityId,
    ServiceId,
)
from referral.domain.policy import Policy
from referral.domain.policy_rules import ICD_10, LOINC
from referral.domain.recognition import Result
from referral.domain.suggestion import CostCode, Need, Overlay, Suggestion
from referral.network.snapshot import build_snapshot
from referral.network.suggest import suggest
from tests.network.test_suggest import TECHNIQUE, ask, rules, targets
from tests.network.towns import NETWORK, TODAY, approval, directory, policy, service, town

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


OPEN_PAIRS = [{"from": "station", "to": ["satellite", "core"], "skipping": "always"}]


def result(days: int, house: str | None, code: str = "718-7") -> Result:
    wrote = None if house is None else FacilityId(house)
    return Result(frozenset({(LOINC, code)}), TODAY - timedelta(days=days), wrote)


def test_results_are_repeated_where_they_are_not_recognised() -> None:
    of = policy(
        weights={"results": 30, "level": 0},
        pairs=OPEN_PAIRS,
        recognition=[{"days": 14, "codes": ["718-7"]}],
    )
    recognised = tie(AffiliationKind.RECOGNISES_RESULTS, CORE, CLINIC)
    fresh, old, other = result(1, CLINIC), result(15, CLINIC), result(1, CLINIC, code="2345-7")
    elsewhere, ahead = result(14, "a house of its own"), result(-2, CLINIC)
    core, near = ask(coast(of, recognised), Need(TECHNIQUE, results=(fresh, old, other, ahead))).ranked
    assert (core.target, near.target) == (CORE, NEAR)
    assert terms(core)[CostCode.RESULTS] == (Decimal("0.0"), "1 of 1 results need not be repeated there")
    assert terms(near)[CostCode.RESULTS] == (Decimal("30.0"), "0 of 1 results need not be repeated there")
    for unknown in (elsewhere, result(1, None)):
        near, core = ask(coast(of, recognised), Need(TECHNIQUE, results=(fresh, unknown))).ranked
        assert terms(core)[CostCode.RESULTS] == (Decimal("15.0"), "1 of 2 results need not be repeated there")
    for results in ((), (old, other)):
        without = ask(coast(of, recognised), Need(TECHNIQUE, results=results))
        assert targets(without) == [NEAR, CORE]
        assert set(terms(without.ranked[0])) == {CostCode.TRAVEL, CostCode.LEVEL}


def weighed(weights: dict[str, float], overlay: Overlay, answers: AnswerTimes, **tables: object):
    """What a clinic is told of the satellite and the core hospital, by their names."""
    of = policy(weights={"level": 0, **weights}, pairs=OPEN_PAIRS, **tables)
    snapshot = build_snapshot(1, coast(of))
    snapshot.answers = answers
    found = suggest(snapshot, NETWORK, Need(TECHNIQUE), FacilityId(CLINIC), overlay, TODAY)
    for one in found.ranked:
        assert one.cost == sum(minutes for minutes, _ in terms(one).values())
        assert [term.code for term in one.terms] == [code for code in CostCode if code in terms(one)]
    return {one.target: terms(one) for one in found.ranked}


def test_answers_count_as_much_as_there_are_of_them() -> None:
    times = AnswerTimes({(NETWORK, FacilityId(CORE)): (15, 20.0)}, {NETWORK: 60.0})
    told = weighed({"answer": 0.5}, Overlay(), times)
    assert told[CORE][CostCode.ANSWER] == (Decimal("15.0"), "30 min until an answer, by 15 of its own")
    assert told[NEAR][CostCode.ANSWER] == (Decimal("30.0"), "60 min until an answer, as in the whole network")
    assert CostCode.ANSWER not in weighed({"answer": 0.5}, Overlay(), AnswerTimes())[CORE]
    assert CostCode.ANSWER not in weighed({}, Overlay(), times)[CORE]
    assert AnswerTimes().expected(NETWORK, FacilityId(CORE)) is None


def test_who_is_sent_there_and_a_waitlist_make_one_wait() -> None:
    ahead = {FacilityId(CORE): 1, FacilityId(NEAR): 3}
    told = weighed({"wait": 4}, Overlay(ahead=ahead), AnswerTimes())
    assert told[CORE][CostCode.WAIT] == (Decimal("4.0"), "1 other patient is sent there")
    assert told[NEAR][CostCode.WAIT] == (Decimal("12.0"), "3 other patients are sent there")
    assert weighed({"waitlist": 4}, Overlay(), AnswerTimes())[CORE][CostCode.WAIT] == (
        Decimal("0.0"),
        "nobody else is sent there",
    )


def test_a_waitlist_is_one_where_all_that_could_take_the_patient_have_one() -> None:
    of = policy(weights={"waitlist": 25, "level": 0}, pairs=OPEN_PAIRS)
    towns = [(town(CLINIC, 0), "station"), (town(NEAR, 1), "satellite"), (town(CORE, 2), "core")]
    services = tuple(service(f"{name}.{number}", name) for name in (NEAR, CORE) for number in (1, 2))
    full = [ServiceId("near.1"), ServiceId("near.2"), ServiceId("core.1")]
    overlay = Overlay(dict.fromkeys(full, Capacity(CapacityStatus.WAITLIST)))
    snapshot = build_snapshot(1, directory(towns, of, services=services))
    found = suggest(snapshot, NETWORK, Need(specialty="surgery"), FacilityId(CLINIC), overlay, TODAY)
    told = {one.target: terms(one)[CostCode.WAIT] for one in found.ranked}
    assert told == {
        NEAR: (Decimal("25.0"), "nobody else is sent there, and it has a waitlist"),
        CORE: (Decimal("0.0"), "nobody else is sent there"),
    }


def test_where_the_patient_is_known_costs_nothing_more() -> None:
    told = weighed({"continuity": 9}, Overlay(known=frozenset({FacilityId(CORE)})), AnswerTimes())
    assert told[CORE][CostCode.CONTINUITY] == (Decimal("0.0"), "the patient was in care there before")
    assert told[NEAR][CostCode.CONTINUITY] == (Decimal("9.0"), "no care there is known of")
    assert CostCode.CONTINUITY not in weighed({"continuity": 9}, Overlay(), AnswerTimes())[NEAR]


def test_the_insured_pay_more_where_levels_are_left_out() -> None:
    rule = {"when": "skips-levels", "minutes": 7, "text": "more to pay", "source": "a table"}
    of = policy(weights={"level": 0}, pairs=[{"from": "station", "to": "central", "skipping": "always"}])
    of = replace(of, insurance=policy(insurance=[rule | {"valid_from": "2025-07-01"}]).insurance)
    towns = [
        (town(CLINIC, 0, level="initial"), "station"),
        (town(NEAR, 1, level="basic"), "central"),
        (town(TOP, 3, level="specialised"), "central"),
        (town(CORE, 4), "central"),
    ]
    approvals = tuple(map(approval, (NEAR, TOP, CORE)))
    snapshot = build_snapshot(1, directory(towns, of, approvals=approvals))
    asked = (snapshot, NETWORK, Need(TECHNIQUE), FacilityId(CLINIC), Overlay())
    told = {one.target: terms(one)[CostCode.INSURANCE] for one in suggest(*asked, TODAY).ranked}
    no_more = (Decimal("0.0"), "the insured pay no more there")
    assert told == {NEAR: no_more, CORE: no_more, TOP: (Decimal("7.0"), "more to pay (a table)")}
    yesterday = suggest(*asked, TODAY - timedelta(days=1)).ranked
    assert all(CostCode.INSURANCE not in terms(one) for one in yesterday)


def test_each_day_is_judged_by_its_own_policy() -> None:
    of = policy(pairs=[{"from": "station", "to": "core", "valid_from": "2025-07-02", "skipping": "always"}])
    assert not ask(coast(of)).ranked
    snapshot = build_snapshot(1, coast(of))
    asked = (snapshot, NETWORK, Need(TECHNIQUE), FacilityId(CLINIC), Overlay())
    tomorrow = TODAY + timedelta(days=1)
    assert targets(suggest(*asked, tomorrow)) == [CORE]
    assert targets(suggest(*asked, TODAY, rules_of=tomorrow)) == [CORE]
    assert targets(suggest(*asked, tomorrow, rules_of=TODAY)) == []
