"""What a party may do now, and who owes the next step: the tables of `lifecycle.py` at one moment.

A few moves need more than a state: an answer needs a question that is open, a stop the sender's request to
stop. `check_possible` raises exactly where `possible_offer_moves` does not list.
"""

from dataclasses import dataclass

from referral.domain.codes import Direction
from referral.domain.errors import IllegalMove
from referral.domain.lifecycle import (
    DOWN_NEEDS,
    Need,
    OfferMove,
    OfferRule,
    OfferState,
    Party,
    ReferralMove,
    ReferralRule,
    ReferralState,
    check_referral_move,
    legal_offer_moves,
    legal_referral_moves,
)

_NOT_ONCE_REPLACED = frozenset({ReferralMove.CLAIM, ReferralMove.REPLACE, ReferralMove.DISMISS})
_NEAREST = (Party.RECEIVER, Party.SENDER, Party.OFFICE, Party.MEMBER, Party.SYSTEM)


@dataclass(frozen=True, slots=True)
class OfferStanding:
    """An offer at one moment. asked: a question of the receiver is open. abort: the sender asked to stop."""

    state: OfferState
    asked: bool = False
    abort: bool = False


def possible_offer_moves(standing: OfferStanding, parties: frozenset[Party]) -> tuple[OfferRule, ...]:
    """The rules that these parties can go by now, in the order of the table."""
    return tuple(
        rule for rule in legal_offer_moves(standing.state, parties) if _lacks(standing, rule) is None
    )


def check_possible(standing: OfferStanding, move: OfferMove, parties: frozenset[Party]) -> OfferRule:
    """The rule that allows the move now. Raises IllegalMove, naming those that are possible."""
    legal = legal_offer_moves(standing.state, parties)
    rule = next((rule for rule in legal if rule.move is move), None)
    lack = "is not a move of yours now" if rule is None else _lacks(standing, rule)
    if rule is None or lack is not None:
        possible = [rule.move for rule in possible_offer_moves(standing, parties)]
        raise IllegalMove(f"The offer is {standing.state}: {move} {lack}.", possible)
    return rule


def possible_referral_moves(
    state: ReferralState, parties: frozenset[Party], *, replaced: bool = False
) -> tuple[ReferralRule, ...]:
    """The rules that these parties can go by now; who sends a patient does not claim it.

    replaced: a new one has taken its place, and it is that one which is claimed or dismissed.
    """
    aside = _NOT_ONCE_REPLACED if replaced else frozenset()
    rules = tuple(rule for rule in legal_referral_moves(state, parties) if rule.move not in aside)
    if Party.SENDER in parties:
        return tuple(rule for rule in rules if Party.MEMBER not in rule.by)
    return rules


def check_referral_possible(
    state: ReferralState, move: ReferralMove, parties: frozenset[Party], *, replaced: bool
) -> None:
    """Raises IllegalMove, naming the moves that are possible, where the move is none of them."""
    if replaced and move in _NOT_ONCE_REPLACED:
        possible = [rule.move for rule in possible_referral_moves(state, parties, replaced=True)]
        raise IllegalMove(f"A new referral has taken the place of this one: {move} that.", possible)
    check_referral_move(state, move, parties)


def needs_of(
    rule: OfferRule | ReferralRule, direction: Direction | None = None, *, goes_on: bool = False
) -> tuple[Need, ...]:
    """What a move needs as far as that can be said before it is made.

    Completing a down-referral needs a note alone, or a disposition too where the patient goes on from there.
    """
    if rule.move is OfferMove.COMPLETE and direction is Direction.DOWN:
        return DOWN_NEEDS[goes_on]
    return rule.needs


def nearest(parties: frozenset[Party]) -> Party:
    """The party that somebody speaks for who is several: the closest to the patient."""
    return next(party for party in _NEAREST if party in parties)


def who_owes(
    referral: ReferralState, offer: OfferStanding | None = None, *, replaced: bool = False
) -> Party | None:
    """The party that owes the next step; None: nobody.

    offer: the one that is open, or the one that was completed. replaced: a lapsed referral is replaced by a
    new one.
    """
    match referral:
        case ReferralState.DRAFT | ReferralState.UNPLACED | ReferralState.COMPLETED:
            return Party.SENDER
        case ReferralState.LAPSED:
            return None if replaced else Party.SENDER
        case ReferralState.OFFERED | ReferralState.IN_CARE:
            # Who was asked owes the answer, and then the patient is the receiver's again.
            waits = offer is not None and (offer.asked or offer.state in _WAITS_FOR_SENDER)
            return Party.SENDER if waits else Party.RECEIVER
        case _:
            return None


# Who did not come is looked for by who sent him.
_WAITS_FOR_SENDER = frozenset({OfferState.AWAITING_INFORMATION, OfferState.NO_SHOW})


def _lacks(standing: OfferStanding, rule: OfferRule) -> str | None:
    """What stands against a move that the table has; None: nothing."""
    match rule.move:
        case OfferMove.ANSWER if standing.state is not OfferState.AWAITING_INFORMATION and not standing.asked:
            return "needs a question that is open"
        case OfferMove.STOP if not standing.abort:
            return "needs a Task of the sender with the code abort and this offer as its focus"
        case _:
            return None
