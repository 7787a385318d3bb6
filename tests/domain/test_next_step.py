"""What is possible now, and who owes the next step, against a transcription of the design."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import Direction
from referral.domain.errors import IllegalMove
from referral.domain.lifecycle import (
    OPEN_OFFER,
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
)
from referral.domain.next_step import (
    OfferStanding,
    check_possible,
    check_referral_possible,
    nearest,
    needs_of,
    possible_offer_moves,
    possible_referral_moves,
    who_owes,
)

STANDINGS = st.builds(OfferStanding, st.sampled_from(OfferState), st.booleans(), st.booleans())
PARTIES = st.frozensets(st.sampled_from(Party))
SENDER, RECEIVER = frozenset({Party.SENDER}), frozenset({Party.RECEIVER})


@given(STANDINGS, PARTIES, st.sampled_from(OfferMove))
def test_what_is_listed_is_what_is_allowed(standing, parties, move):
    possible = possible_offer_moves(standing, parties)
    assert set(possible) <= set(legal_offer_moves(standing.state, parties))
    if move in {rule.move for rule in possible}:
        assert check_possible(standing, move, parties) in possible
    else:
        with pytest.raises(IllegalMove) as refusal:
            check_possible(standing, move, parties)
        assert refusal.value.legal == tuple(rule.move for rule in possible)


@pytest.mark.parametrize(
    ("standing", "parties", "move", "possible"),
    [
        (OfferStanding(OfferState.AWAITING_INFORMATION), SENDER, OfferMove.ANSWER, True),
        (OfferStanding(OfferState.ACCEPTED), SENDER, OfferMove.ANSWER, False),
        (OfferStanding(OfferState.ACCEPTED, asked=True), SENDER, OfferMove.ANSWER, True),
        (OfferStanding(OfferState.ACCEPTED, asked=True), RECEIVER, OfferMove.ANSWER, False),
        (OfferStanding(OfferState.IN_TRANSIT, asked=True), SENDER, OfferMove.ANSWER, True),
        (OfferStanding(OfferState.ARRIVED), RECEIVER, OfferMove.STOP, False),
        (OfferStanding(OfferState.ARRIVED, abort=True), RECEIVER, OfferMove.STOP, True),
        (OfferStanding(OfferState.COMPLETED, abort=True), RECEIVER, OfferMove.STOP, False),
    ],
)
def test_an_answer_needs_a_question_and_a_stop_needs_the_wish(standing, parties, move, possible):
    assert (move in {rule.move for rule in possible_offer_moves(standing, parties)}) is possible


@given(st.sampled_from(ReferralState), PARTIES)
def test_nobody_claims_who_was_sent_by_himself(state, parties):
    moves = {rule.move for rule in possible_referral_moves(state, parties)}
    legal = {rule.move for rule in legal_referral_moves(state, parties)}
    assert moves == (legal - {ReferralMove.CLAIM} if Party.SENDER in parties else legal)


@given(st.sampled_from(ReferralState), st.sampled_from(ReferralMove), PARTIES)
def test_what_was_replaced_is_neither_replaced_again_nor_claimed_nor_dismissed(state, move, parties):
    possible = [rule.move for rule in possible_referral_moves(state, parties, replaced=True)]
    before = [rule.move for rule in possible_referral_moves(state, parties)]
    aside = {ReferralMove.CLAIM, ReferralMove.DISMISS, ReferralMove.REPLACE}
    assert possible == [one for one in before if one not in aside]
    legal = {rule.move for rule in legal_referral_moves(state, parties)} - aside
    if move in legal:
        check_referral_possible(state, move, parties, replaced=True)
    else:
        with pytest.raises(IllegalMove):
            check_referral_possible(state, move, parties, replaced=True)


def test_what_is_needed_before_more_is_known():
    complete = check_offer_move(OfferState.ARRIVED, OfferMove.COMPLETE, RECEIVER)
    assert needs_of(complete, Direction.UP) == (Need.OUTCOME, Need.DISPOSITION, Need.SUMMARY)
    assert needs_of(complete, Direction.DOWN) == (Need.NOTE,)
    assert needs_of(complete, Direction.DOWN, goes_on=True) == (Need.DISPOSITION, Need.NOTE)
    offer = check_referral_move(ReferralState.UNPLACED, ReferralMove.OFFER, SENDER)
    assert needs_of(offer, Direction.DOWN) == (Need.TARGET,)


def test_who_is_several_parties_speaks_for_the_one_closest_to_the_patient():
    assert nearest(frozenset(Party)) is Party.RECEIVER
    assert nearest(frozenset({Party.OFFICE, Party.SENDER})) is Party.SENDER
    assert nearest(frozenset({Party.SYSTEM})) is Party.SYSTEM


OWES = """
draft            -                    sender
unplaced         -                    sender
offered          requested            receiver
offered          received             receiver
offered          awaiting-information sender
offered          accepted             receiver
offered          scheduled            receiver
offered          in-transit           receiver
offered          no-show              sender
in-care          arrived              receiver
completed        completed            sender
closed           closed               -
cancelled        -                    -
lapsed           -                    sender
entered-in-error -                    -
"""


@pytest.mark.parametrize("line", OWES.strip().splitlines())
def test_somebody_owes_the_next_step(line):
    state, offer, party = line.split()
    standing = None if offer == "-" else OfferStanding(OfferState(offer))
    assert who_owes(ReferralState(state), standing) == (None if party == "-" else party)


def test_an_open_question_is_owed_by_who_was_asked():
    asked = OfferStanding(OfferState.ARRIVED, asked=True)
    assert who_owes(ReferralState.IN_CARE, asked) is Party.SENDER


def test_who_owes_an_answer_may_give_it():
    asked_in = OPEN_OFFER - {OfferState.REQUESTED, OfferState.RECEIVED}
    for state in OPEN_OFFER:
        if state in asked_in:
            standing = OfferStanding(state, asked=True)
            moves = {rule.move for rule in possible_offer_moves(standing, frozenset({Party.SENDER}))}
            owes = who_owes(ReferralState.OFFERED, standing)
            assert (owes is Party.SENDER) == (state in asked_in)
            assert (OfferMove.ANSWER in moves) == (state in asked_in)


def test_a_lapsed_referral_that_is_replaced_is_nobodys():
    assert who_owes(ReferralState.LAPSED, replaced=True) is None
