"""The life of a referral and of its offers: two tables of moves; what is not in them is illegal.

Everything here is pure: a state, a move and the parties of an actor go in, a rule or an
`IllegalMove` comes out. The FHIR words for the states stand in `fhir/states.py`; the pictures in
`docs/lifecycle.md` are made from these tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from referral.domain.codes import Direction, Disposition
from referral.domain.errors import IllegalMove


class ReferralState(StrEnum):
    """Where a referral stands."""

    DRAFT = "draft"
    UNPLACED = "unplaced"
    OFFERED = "offered"
    IN_CARE = "in-care"
    COMPLETED = "completed"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    ENTERED_IN_ERROR = "entered-in-error"


class OfferState(StrEnum):
    """Where an offer, a referral put to one target, stands."""

    REQUESTED = "requested"
    RECEIVED = "received"
    AWAITING_INFORMATION = "awaiting-information"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    IN_TRANSIT = "in-transit"
    NO_SHOW = "no-show"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    CLOSED = "closed"
    REJECTED = "rejected"
    REDIRECTED = "redirected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    STOPPED = "stopped"
    ENTERED_IN_ERROR = "entered-in-error"


class Party(StrEnum):
    """Who makes a move.

    Facility of the requester, facility of the offer's owner, the network's office, the clock, any
    facility of the network.
    """

    SENDER = "sender"
    RECEIVER = "receiver"
    OFFICE = "office"
    SYSTEM = "system"
    MEMBER = "member"


class ReferralMove(StrEnum):
    """What a party does to a referral."""

    SUBMIT = "submit"
    DISCARD = "discard"
    OFFER = "offer"
    CLAIM = "claim"
    CANCEL = "cancel"
    LAPSE = "lapse"
    REPLACE = "replace"
    DISMISS = "dismiss"
    CLOSE = "close"
    MARK_ERROR = "mark-error"


class OfferMove(StrEnum):
    """What a party does to an offer."""

    ACKNOWLEDGE = "acknowledge"
    ASK = "ask"
    ANSWER = "answer"
    ACCEPT = "accept"
    REJECT = "reject"
    REFER_ONWARD = "refer-onward"
    WITHDRAW = "withdraw"
    ARRIVE = "arrive"
    SCHEDULE = "schedule"
    DEPART = "depart"
    MISS = "miss"
    LAPSE = "lapse"
    REPORT = "report"
    COMPLETE = "complete"
    STOP = "stop"
    CLOSE = "close"
    MARK_ERROR = "mark-error"


class Need(StrEnum):
    """What must come with a move. `time` and `place` together stand in for `appointment`."""

    TARGET = "target"
    REASON = "reason"
    TEXT = "text"
    COMMUNICATION = "communication"
    APPOINTMENT = "appointment"
    TIME = "time"
    PLACE = "place"
    PRELIMINARY = "preliminary"
    OUTCOME = "outcome"
    DISPOSITION = "disposition"
    SUMMARY = "summary"
    NOTE = "note"
    ABORT_TASK = "abort-task"
    NUMBER = "number"
    BIRTH_DATE = "birth-date"
    EXPIRED_SLIP = "expired-slip"
    REPLACEMENT = "replacement"


State = TypeVar("State", bound=StrEnum)
Move = TypeVar("Move", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Rule(Generic[State, Move]):
    """One row of a table: who may make the move, from where, to where, with what.

    target: the state afterwards; None: the state stays and the move is an event only.
    with_offer: the state afterwards when the same act opens an offer (`submit` alone has it).
    """

    source: frozenset[State]
    move: Move
    by: frozenset[Party]
    target: State | None
    needs: tuple[Need, ...] = ()
    with_offer: State | None = None


ReferralRule = Rule[ReferralState, ReferralMove]
OfferRule = Rule[OfferState, OfferMove]


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a referral in `source` becomes when its current offer reaches one of `offer`."""

    source: frozenset[ReferralState]
    offer: frozenset[OfferState]
    target: ReferralState


_R, _O = ReferralState, OfferState
_SENDER, _RECEIVER, _OFFICE = (
    frozenset({Party.SENDER}),
    frozenset({Party.RECEIVER}),
    frozenset({Party.OFFICE}),
)
_SYSTEM, _MEMBER = frozenset({Party.SYSTEM}), frozenset({Party.MEMBER})

BEFORE_ANSWER = frozenset({_O.REQUESTED, _O.RECEIVED, _O.AWAITING_INFORMATION})
BEFORE_ARRIVAL = BEFORE_ANSWER | {_O.ACCEPTED, _O.SCHEDULED, _O.IN_TRANSIT, _O.NO_SHOW}
OPEN_OFFER = BEFORE_ARRIVAL | {_O.ARRIVED}

_EXPECTED = frozenset({_O.ACCEPTED, _O.SCHEDULED})

_WAITING = frozenset({_R.UNPLACED, _R.OFFERED})
# Before anybody has arrived and while nothing has ended, a mistake is the sender's to take back.
_REFERRAL_BEFORE_ARRIVAL = _WAITING | {_R.DRAFT}

REFERRAL_RULES: tuple[ReferralRule, ...] = (
    Rule(frozenset({_R.DRAFT}), ReferralMove.SUBMIT, _SENDER, _R.UNPLACED, with_offer=_R.OFFERED),
    Rule(frozenset({_R.DRAFT}), ReferralMove.DISCARD, _SENDER, _R.ENTERED_IN_ERROR),
    Rule(frozenset({_R.UNPLACED}), ReferralMove.OFFER, _SENDER | _OFFICE, _R.OFFERED, (Need.TARGET,)),
    Rule(
        _WAITING | {_R.CANCELLED, _R.LAPSED},
        ReferralMove.CLAIM,
        _MEMBER,
        _R.IN_CARE,
        (Need.NUMBER, Need.BIRTH_DATE),
    ),
    Rule(_WAITING, ReferralMove.CANCEL, _SENDER | _OFFICE, _R.CANCELLED, (Need.REASON,)),
    Rule(_WAITING, ReferralMove.LAPSE, _SYSTEM, _R.LAPSED, (Need.EXPIRED_SLIP,)),
    Rule(frozenset({_R.CANCELLED, _R.LAPSED}), ReferralMove.REPLACE, _SENDER, None, (Need.REPLACEMENT,)),
    # Where its sender is silent, the office does (docs/decisions/0021).
    Rule(frozenset({_R.LAPSED}), ReferralMove.DISMISS, _SENDER | _OFFICE, _R.CANCELLED, (Need.REASON,)),
    Rule(frozenset({_R.COMPLETED}), ReferralMove.CLOSE, _SENDER, _R.CLOSED),
    Rule(_REFERRAL_BEFORE_ARRIVAL, ReferralMove.MARK_ERROR, _SENDER, _R.ENTERED_IN_ERROR, (Need.REASON,)),
    Rule(
        frozenset(_R) - _REFERRAL_BEFORE_ARRIVAL - {_R.CLOSED, _R.ENTERED_IN_ERROR},
        ReferralMove.MARK_ERROR,
        _OFFICE,
        _R.ENTERED_IN_ERROR,
        (Need.REASON,),
    ),
)

# An offer ends by its slip only when the referral does, and is closed by the sender in one act with it.
# One marked in error never took place, so its referral needs a place again.
REFERRAL_FOLLOWS: tuple[Consequence, ...] = (
    Consequence(frozenset({_R.OFFERED}), frozenset({_O.REJECTED, _O.REDIRECTED, _O.WITHDRAWN}), _R.UNPLACED),
    Consequence(frozenset({_R.OFFERED}), frozenset({_O.LAPSED}), _R.LAPSED),
    Consequence(frozenset({_R.OFFERED}), frozenset({_O.ARRIVED}), _R.IN_CARE),
    Consequence(frozenset({_R.IN_CARE}), frozenset({_O.COMPLETED}), _R.COMPLETED),
    Consequence(frozenset({_R.IN_CARE}), frozenset({_O.STOPPED}), _R.CANCELLED),
    Consequence(frozenset({_R.COMPLETED}), frozenset({_O.CLOSED}), _R.CLOSED),
    Consequence(
        frozenset({_R.OFFERED, _R.IN_CARE, _R.COMPLETED}), frozenset({_O.ENTERED_IN_ERROR}), _R.UNPLACED
    ),
)

OFFER_RULES: tuple[OfferRule, ...] = (
    Rule(frozenset({_O.REQUESTED}), OfferMove.ACKNOWLEDGE, _RECEIVER, _O.RECEIVED),
    Rule(
        frozenset({_O.REQUESTED, _O.RECEIVED}),
        OfferMove.ASK,
        _RECEIVER,
        _O.AWAITING_INFORMATION,
        (Need.TEXT,),
    ),
    Rule(frozenset({_O.AWAITING_INFORMATION}), OfferMove.ANSWER, _SENDER, _O.RECEIVED, (Need.COMMUNICATION,)),
    Rule(_EXPECTED | {_O.AWAITING_INFORMATION, _O.ARRIVED}, OfferMove.ASK, _RECEIVER, None, (Need.TEXT,)),
    # What was asked before the patient left is answered from the ambulance (docs/decisions/0017).
    Rule(
        _EXPECTED | {_O.IN_TRANSIT, _O.NO_SHOW, _O.ARRIVED},
        OfferMove.ANSWER,
        _SENDER,
        None,
        (Need.COMMUNICATION,),
    ),
    Rule(BEFORE_ANSWER, OfferMove.ACCEPT, _RECEIVER, _O.ACCEPTED),
    Rule(BEFORE_ANSWER | _EXPECTED, OfferMove.REJECT, _RECEIVER, _O.REJECTED, (Need.REASON,)),
    Rule(
        BEFORE_ARRIVAL, OfferMove.REFER_ONWARD, _RECEIVER | _OFFICE, _O.REDIRECTED, (Need.TARGET, Need.REASON)
    ),
    Rule(BEFORE_ARRIVAL, OfferMove.WITHDRAW, _SENDER | _OFFICE, _O.WITHDRAWN, (Need.REASON,)),
    # Whatever the status: patients do not wait for software.
    Rule(BEFORE_ARRIVAL, OfferMove.ARRIVE, _RECEIVER, _O.ARRIVED),
    Rule(_EXPECTED | {_O.NO_SHOW}, OfferMove.SCHEDULE, _RECEIVER, _O.SCHEDULED, (Need.APPOINTMENT,)),
    Rule(BEFORE_ANSWER, OfferMove.DEPART, _SENDER, None),
    Rule(_EXPECTED, OfferMove.DEPART, _SENDER, _O.IN_TRANSIT),
    Rule(_EXPECTED | {_O.IN_TRANSIT}, OfferMove.MISS, _RECEIVER, _O.NO_SHOW, (Need.REASON,)),
    Rule(BEFORE_ARRIVAL - {_O.IN_TRANSIT}, OfferMove.LAPSE, _SYSTEM, _O.LAPSED),
    Rule(frozenset({_O.ARRIVED}), OfferMove.REPORT, _RECEIVER, None, (Need.PRELIMINARY,)),
    Rule(
        frozenset({_O.ARRIVED}),
        OfferMove.COMPLETE,
        _RECEIVER,
        _O.COMPLETED,
        (Need.OUTCOME, Need.DISPOSITION, Need.SUMMARY),
    ),
    Rule(frozenset({_O.ARRIVED}), OfferMove.STOP, _RECEIVER, _O.STOPPED, (Need.ABORT_TASK,)),
    Rule(frozenset({_O.COMPLETED}), OfferMove.CLOSE, _SENDER, _O.CLOSED),
    Rule(BEFORE_ARRIVAL, OfferMove.MARK_ERROR, _SENDER, _O.ENTERED_IN_ERROR, (Need.REASON,)),
    Rule(
        frozenset(_O) - BEFORE_ARRIVAL - {_O.CLOSED, _O.ENTERED_IN_ERROR},
        OfferMove.MARK_ERROR,
        _OFFICE,
        _O.ENTERED_IN_ERROR,
        (Need.REASON,),
    ),
)

# One update of a Task may stand for two moves; each leaves its own event.
_INCLUDED: Mapping[tuple[OfferState, OfferState], tuple[OfferMove, ...]] = {
    (_O.REQUESTED, _O.ACCEPTED): (OfferMove.ACKNOWLEDGE, OfferMove.ACCEPT),
} | {
    (state, _O.COMPLETED): (OfferMove.ARRIVE, OfferMove.COMPLETE)
    for state in (_O.ACCEPTED, _O.SCHEDULED, _O.IN_TRANSIT, _O.NO_SHOW)
}

_REFERRAL_RULES_OF = {
    state: tuple(rule for rule in REFERRAL_RULES if state in rule.source) for state in ReferralState
}
_OFFER_RULES_OF = {state: tuple(rule for rule in OFFER_RULES if state in rule.source) for state in OfferState}


def legal_referral_moves(state: ReferralState, parties: frozenset[Party]) -> tuple[ReferralRule, ...]:
    """The rules open to these parties for a referral in this state, in the order of the table."""
    return _open_to(parties, _REFERRAL_RULES_OF[state])


def check_referral_move(state: ReferralState, move: ReferralMove, parties: frozenset[Party]) -> ReferralRule:
    """The rule that allows the move. Raises IllegalMove, naming the legal ones of these parties."""
    return _check("referral", legal_referral_moves(state, parties), state, move)


def legal_offer_moves(state: OfferState, parties: frozenset[Party]) -> tuple[OfferRule, ...]:
    """The rules open to these parties for an offer in this state, in the order of the table."""
    return _open_to(parties, _OFFER_RULES_OF[state])


def check_offer_move(state: OfferState, move: OfferMove, parties: frozenset[Party]) -> OfferRule:
    """The rule that allows the move. Raises IllegalMove, naming the legal ones of these parties."""
    return _check("offer", legal_offer_moves(state, parties), state, move)


def plan_offer_moves(
    state: OfferState, target: OfferState, parties: frozenset[Party]
) -> tuple[OfferMove, ...]:
    """The moves that an update from one state to another stands for; none when they are equal.

    `requested -> accepted` includes acknowledge, completing what was accepted includes arrive.
    Raises IllegalMove when no move of these parties leads there.
    """
    if state is target:
        return ()
    legal = legal_offer_moves(state, parties)
    included = _INCLUDED.get((state, target))
    if included and included[0] in {rule.move for rule in legal}:
        return included
    for rule in legal:
        if rule.target is target:
            return (rule.move,)
    raise IllegalMove(
        f"The offer is {state}: no move of yours makes it {target}.", [rule.move for rule in legal]
    )


def referral_after(offer: OfferState, *, before: OfferState | None = None) -> ReferralState | None:
    """What the current offer's new state makes of its referral; None: it stays as it is.

    before: the offer's state until now, where known. An offer that had already ended without care is
    no longer the referral's current one: marking it in error changes nothing there.
    """
    if before is not None and before not in OPEN_OFFER | {OfferState.COMPLETED}:
        return None
    return next((row.target for row in REFERRAL_FOLLOWS if offer in row.offer), None)


DOWN_NEEDS: Final[Mapping[bool, tuple[Need, ...]]] = {
    False: (Need.NOTE,),
    True: (Need.DISPOSITION, Need.NOTE),
}
"""What completing a down-referral needs, by whether the patient is not yet with who sent him first."""


def missing_needs(
    rule: Rule[Any, Any],
    given: frozenset[Need],
    *,
    direction: Direction | None = None,
    disposition: Disposition | None = None,
    goes_on: bool = False,
) -> tuple[Need, ...]:
    """What the move still lacks, in the order of the rule.

    Completing a down-referral needs a note alone, or a disposition too where the patient goes on to who sent
    him first; completing after the patient died or absconded a note
    in place of the summary. A summary is as good as a note.
    """
    needs = rule.needs
    if rule.move is OfferMove.COMPLETE:
        if direction is Direction.DOWN:
            needs = DOWN_NEEDS[goes_on]
        elif disposition in {Disposition.DIED, Disposition.ABSCONDED}:
            needs = (Need.OUTCOME, Need.DISPOSITION, Need.NOTE)
    if Need.SUMMARY in given:
        given |= {Need.NOTE}
    if {Need.TIME, Need.PLACE} <= given:
        given |= {Need.APPOINTMENT}
    return tuple(need for need in needs if need not in given)


def _open_to(parties: frozenset[Party], rules: Sequence[Rule[State, Move]]) -> tuple[Rule[State, Move], ...]:
    return tuple(rule for rule in rules if rule.by & parties)


def _check(noun: str, legal: Sequence[Rule[State, Move]], state: State, move: Move) -> Rule[State, Move]:
    for rule in legal:
        if rule.move is move:
            return rule
    raise IllegalMove(f"The {noun} is {state}: {move} is not a move of yours now.", [r.move for r in legal])
