"""The whole matrix status x move x party, against a second transcription of the tables."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import Direction, Disposition
from referral.domain.errors import IllegalMove
from referral.domain.lifecycle import (
    BEFORE_ARRIVAL,
    OFFER_RULES,
    OPEN_OFFER,
    REFERRAL_FOLLOWS,
    REFERRAL_RULES,
    Need,
    OfferMove,
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
    check_offer_move,
    check_referral_move,
    legal_offer_moves,
    legal_referral_moves,
    missing_needs,
    plan_offer_moves,
    referral_after,
)

# from | move | by | to | needs; `=` is "the same".
REFERRAL_TABLE = """
draft                                | submit     | sender        | unplaced         |
draft                                | discard    | sender        | entered-in-error |
unplaced                             | offer      | sender office | offered          | target
unplaced offered cancelled lapsed    | claim      | member        | in-care          | number birth-date
unplaced offered                     | cancel     | sender office | cancelled        | reason
unplaced offered                     | lapse      | system        | lapsed           | expired-slip
cancelled lapsed                     | replace    | sender        | =                | replacement
lapsed                               | dismiss    | sender office | cancelled        | reason
completed                            | close      | sender        | closed           |
draft unplaced offered               | mark-error | sender        | entered-in-error | reason
in-care completed cancelled lapsed   | mark-error | office        | entered-in-error | reason
"""

UNARRIVED = "requested received awaiting-information accepted scheduled in-transit no-show"
OFFER_TABLE = f"""
requested                                                         | acknowledge  | receiver        | received             |
requested received                                                | ask          | receiver        | awaiting-information | text
awaiting-information                                              | answer       | sender          | received             | communication
awaiting-information accepted scheduled arrived                   | ask          | receiver        | =                    | text
accepted scheduled in-transit no-show arrived                     | answer       | sender          | =                    | communication
requested received awaiting-information                           | accept       | receiver        | accepted             |
requested received awaiting-information accepted scheduled        | reject       | receiver        | rejected             | reason
{UNARRIVED}                                                       | refer-onward | receiver office | redirected           | target reason
{UNARRIVED}                                                       | withdraw     | sender office   | withdrawn            | reason
{UNARRIVED}                                                       | arrive       | receiver        | arrived              |
accepted scheduled no-show                                        | schedule     | receiver        | scheduled            | appointment
requested received awaiting-information                           | depart       | sender          | =                    |
accepted scheduled                                                | depart       | sender          | in-transit           |
accepted scheduled in-transit                                     | miss         | receiver        | no-show              | reason
requested received awaiting-information accepted scheduled no-show| lapse        | system          | lapsed               |
arrived                                                           | report       | receiver        | =                    | preliminary
arrived                                                           | complete     | receiver        | completed            | outcome disposition summary
arrived                                                           | stop         | receiver        | stopped              | abort-task
completed                                                         | close        | sender          | closed               |
{UNARRIVED}                                                       | mark-error   | sender          | entered-in-error     | reason
arrived completed rejected redirected withdrawn lapsed stopped    | mark-error   | office          | entered-in-error     | reason
"""  # noqa: E501  (a table reads best as one)

Effect = tuple[str, tuple[str, ...]]


def transcribed(table: str) -> dict[tuple[str, str, str], Effect]:
    effects: dict[tuple[str, str, str], Effect] = {}
    for line in table.strip().splitlines():
        sources, move, parties, target, needs = (cell.strip() for cell in line.split("|"))
        for source in sources.split():
            for party in parties.split():
                key = (source, move, party)
                assert key not in effects, f"{key} stands twice in the transcription"
                effects[key] = (source if target == "=" else target, tuple(needs.split()))
    return effects


def cases(table, states, moves):
    effects = transcribed(table)
    found = []
    for state in states:
        for move in moves:
            for party in Party:
                effect = effects.get((state, move, party))
                arrow = f"{state} -> {effect[0]} by {party}" if effect else f"{state} refused to {party}"
                found.append(pytest.param(state, move, party, effect, id=f"{arrow} ({move})"))
    return found


@pytest.mark.parametrize(("state", "move", "party", "effect"), cases(OFFER_TABLE, OfferState, OfferMove))
def test_offer_matrix(state, move, party, effect):
    parties = frozenset({party})
    if effect is None:
        with pytest.raises(IllegalMove) as refusal:
            check_offer_move(state, move, parties)
        assert refusal.value.legal == tuple(rule.move for rule in legal_offer_moves(state, parties))
        assert move not in refusal.value.legal
    else:
        rule = check_offer_move(state, move, parties)
        assert (rule.target or state, rule.needs) == effect
        assert rule in legal_offer_moves(state, parties)


@pytest.mark.parametrize(
    ("state", "move", "party", "effect"), cases(REFERRAL_TABLE, ReferralState, ReferralMove)
)
def test_referral_matrix(state, move, party, effect):
    parties = frozenset({party})
    if effect is None:
        with pytest.raises(IllegalMove) as refusal:
            check_referral_move(state, move, parties)
        assert refusal.value.legal == tuple(rule.move for rule in legal_referral_moves(state, parties))
        assert move not in refusal.value.legal
    else:
        rule = check_referral_move(state, move, parties)
        assert (rule.target or state, rule.needs) == effect
        assert rule in legal_referral_moves(state, parties)


def test_submitting_with_a_target_offers():
    submit = check_referral_move(ReferralState.DRAFT, ReferralMove.SUBMIT, frozenset({Party.SENDER}))
    assert (submit.target, submit.with_offer) == (ReferralState.UNPLACED, ReferralState.OFFERED)
    assert [rule.move for rule in REFERRAL_RULES if rule.with_offer] == [ReferralMove.SUBMIT]


def test_refusal_names_the_moves_that_are_legal_for_the_party():
    with pytest.raises(IllegalMove, match=r"Legal moves for you now: withdraw, depart, mark-error\."):
        check_offer_move(OfferState.REQUESTED, OfferMove.ACCEPT, frozenset({Party.SENDER}))


def test_a_stranger_has_no_moves():
    for state in OfferState:
        assert legal_offer_moves(state, frozenset()) == ()
    for state in ReferralState:
        assert legal_referral_moves(state, frozenset()) == ()


@given(st.sampled_from(OfferState), st.frozensets(st.sampled_from(Party)))
def test_who_is_several_parties_has_the_moves_of_each(state, parties):
    together = set(legal_offer_moves(state, parties))
    assert together == {rule for party in parties for rule in legal_offer_moves(state, frozenset({party}))}


@pytest.mark.parametrize("rules", [REFERRAL_RULES, OFFER_RULES], ids=["referral", "offer"])
def test_a_state_and_a_move_have_one_result_whoever_makes_it(rules):
    for one, other in combinations(rules, 2):
        assert one.move is not other.move or not one.source & other.source


def test_open_and_before_arrival():
    assert set(UNARRIVED.split()) == BEFORE_ARRIVAL
    assert {*UNARRIVED.split(), "arrived"} == OPEN_OFFER


def test_only_open_offers_lead_back_to_open_ones():
    for rule in OFFER_RULES:
        if rule.target in OPEN_OFFER or rule.target is None:
            assert rule.source <= OPEN_OFFER


def test_every_offer_state_is_reached_from_a_new_offer():
    reached = {OfferState.REQUESTED}
    for _ in OfferState:
        reached |= {rule.target for rule in OFFER_RULES if rule.target and rule.source & reached}
    assert reached == set(OfferState)


def test_every_referral_state_is_reached_from_a_draft():
    reached = {ReferralState.DRAFT}
    for _ in ReferralState:
        reached |= {rule.target for rule in REFERRAL_RULES if rule.target and rule.source & reached}
        reached |= {row.target for row in REFERRAL_FOLLOWS if row.source & reached}
    assert reached == set(ReferralState)


AFTER = {
    "arrived": "in-care",
    "completed": "completed",
    "closed": "closed",
    "stopped": "cancelled",
    "lapsed": "lapsed",
    "rejected": "unplaced",
    "redirected": "unplaced",
    "withdrawn": "unplaced",
    "entered-in-error": "unplaced",
}


@pytest.mark.parametrize("state", OfferState)
def test_what_the_offer_does_to_its_referral(state):
    assert referral_after(state) == AFTER.get(state)


@pytest.mark.parametrize("before", OfferState)
def test_an_offer_that_ended_without_care_no_longer_moves_its_referral(before):
    current = before in {*UNARRIVED.split(), "arrived", "completed"}
    expected = ReferralState.UNPLACED if current else None
    assert referral_after(OfferState.ENTERED_IN_ERROR, before=before) is expected


RECEIVER, SENDER = frozenset({Party.RECEIVER}), frozenset({Party.SENDER})


@pytest.mark.parametrize(
    ("state", "target", "parties", "moves"),
    [
        ("requested", "received", RECEIVER, ["acknowledge"]),
        ("requested", "accepted", RECEIVER, ["acknowledge", "accept"]),
        ("received", "accepted", RECEIVER, ["accept"]),
        ("awaiting-information", "accepted", RECEIVER, ["accept"]),
        ("awaiting-information", "received", SENDER, ["answer"]),
        ("requested", "arrived", RECEIVER, ["arrive"]),
        ("accepted", "completed", RECEIVER, ["arrive", "complete"]),
        ("scheduled", "completed", RECEIVER, ["arrive", "complete"]),
        ("in-transit", "completed", RECEIVER, ["arrive", "complete"]),
        ("no-show", "completed", RECEIVER, ["arrive", "complete"]),
        ("arrived", "completed", RECEIVER, ["complete"]),
        ("accepted", "scheduled", RECEIVER, ["schedule"]),
        ("accepted", "in-transit", SENDER, ["depart"]),
        ("accepted", "withdrawn", SENDER, ["withdraw"]),
        ("completed", "closed", SENDER, ["close"]),
        ("closed", "closed", SENDER, []),
        ("accepted", "accepted", frozenset(), []),
    ],
)
def test_an_update_is_read_as_moves(state, target, parties, moves):
    assert list(plan_offer_moves(OfferState(state), OfferState(target), parties)) == moves


@pytest.mark.parametrize(
    ("state", "target", "parties"),
    [
        ("requested", "accepted", SENDER),
        ("requested", "completed", RECEIVER),
        ("received", "completed", RECEIVER),
        ("awaiting-information", "received", RECEIVER),
        ("accepted", "completed", SENDER),
        ("arrived", "rejected", RECEIVER),
        ("rejected", "accepted", RECEIVER),
        ("received", "requested", RECEIVER),
        ("requested", "closed", SENDER),
    ],
)
def test_an_update_that_no_move_explains_is_refused(state, target, parties):
    with pytest.raises(IllegalMove) as refusal:
        plan_offer_moves(OfferState(state), OfferState(target), parties)
    legal = legal_offer_moves(OfferState(state), parties)
    assert refusal.value.legal == tuple(rule.move for rule in legal)


@pytest.mark.parametrize("party", Party)
@pytest.mark.parametrize("state", OfferState)
def test_a_plan_is_a_chain_of_legal_moves_to_its_target(state, party):
    parties = frozenset({party})
    for target in OfferState:
        try:
            plan = plan_offer_moves(state, target, parties)
        except IllegalMove:
            assert target not in {rule.target for rule in legal_offer_moves(state, parties)}
            continue
        reached = state
        for move in plan:
            reached = check_offer_move(reached, move, parties).target or reached
        assert reached is target


COMPLETE = check_offer_move(OfferState.ARRIVED, OfferMove.COMPLETE, RECEIVER)
SCHEDULE = check_offer_move(OfferState.ACCEPTED, OfferMove.SCHEDULE, RECEIVER)
REJECT = check_offer_move(OfferState.REQUESTED, OfferMove.REJECT, RECEIVER)


@pytest.mark.parametrize(
    ("rule", "given_needs", "direction", "disposition", "missing"),
    [
        (COMPLETE, "", "up", None, "outcome disposition summary"),
        (COMPLETE, "outcome disposition summary", "up", "discharged", ""),
        (COMPLETE, "outcome disposition note", "lateral", "discharged", "summary"),
        (COMPLETE, "outcome disposition", "up", "died", "note"),
        (COMPLETE, "outcome disposition note", "up", "died", ""),
        (COMPLETE, "disposition note", "up", "absconded", "outcome"),
        (COMPLETE, "outcome disposition summary", "up", "absconded", ""),
        (COMPLETE, "", "down", None, "note"),
        (COMPLETE, "note", "down", None, ""),
        (COMPLETE, "summary", "down", "discharged", ""),
        (SCHEDULE, "", "up", None, "appointment"),
        (SCHEDULE, "time", "up", None, "appointment"),
        (SCHEDULE, "time place", "up", None, ""),
        (SCHEDULE, "appointment", "up", None, ""),
        (REJECT, "", "down", None, "reason"),
        (REJECT, "reason text", None, None, ""),
    ],
)
def test_what_a_move_still_needs(rule, given_needs, direction, disposition, missing):
    found = missing_needs(
        rule,
        frozenset(map(Need, given_needs.split())),
        direction=Direction(direction) if direction else None,
        disposition=Disposition(disposition) if disposition else None,
    )
    assert list(found) == missing.split()


def test_a_patient_who_goes_on_down_needs_a_disposition_too():
    rule = check_offer_move(OfferState.ARRIVED, OfferMove.COMPLETE, frozenset({Party.RECEIVER}))
    for told, missing in (({Need.NOTE}, (Need.DISPOSITION,)), ({Need.NOTE, Need.DISPOSITION}, ())):
        found = missing_needs(rule, frozenset(told), direction=Direction.DOWN, goes_on=True)
        assert found == missing
