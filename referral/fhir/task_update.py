"""Read an update of an offer's Task as moves (http://hl7.org/fhir/R4/task.html#statemachine).

Its status, its business status or both say what it asks for. A move that leaves the status as it is shows in
what the update brings: a business status that is not the one that is stored, an output, an input, words.
"""

from collections.abc import Mapping
from typing import Any, Final

from referral.domain.errors import IllegalMove, UnknownCode
from referral.domain.lifecycle import BEFORE_ANSWER, OfferMove, OfferState, Party, plan_offer_moves
from referral.domain.next_step import OfferStanding, possible_offer_moves
from referral.fhir.offer import business_status, has_other_business_status, new_parts, reason_text
from referral.fhir.states import OFFER_STATUS, status_of, target_state

Content = Mapping[str, Any]

_VISIT: Final = frozenset({"appointment", "place"})
_TAKES_WORDS: Final = {
    OfferMove.ASK,
    OfferMove.REJECT,
    OfferMove.REFER_ONWARD,
    OfferMove.WITHDRAW,
    OfferMove.MISS,
    OfferMove.STOP,
    OfferMove.MARK_ERROR,
}
_JOURNEY: Final = frozenset({"means", "escort", "eta"})


def wanted_moves(
    before: Content, sent: Content, standing: OfferStanding, parties: frozenset[Party]
) -> tuple[OfferMove, ...]:
    """The moves of these parties that an update stands for; none where it changes other things, or nothing.

    A business status of another system says nothing here. Raises IllegalMove where no move leads to the
    status that is asked for, UnknownCode for words that only such a business status would explain, and as
    `target_state` does.
    """
    moves = _wanted(before, sent, standing, parties)
    new_words = reason_text(sent) not in {"", reason_text(before)}
    if new_words and has_other_business_status(sent) and _TAKES_WORDS.isdisjoint(moves):
        raise UnknownCode(
            "What the words of statusReason are for is said by a business status of offer-status.",
            "Task.businessStatus",
        )
    return moves


def _wanted(
    before: Content, sent: Content, standing: OfferStanding, parties: frozenset[Party]
) -> tuple[OfferMove, ...]:
    status, business = status_of(sent), business_status(sent)
    stays = _leaves_status(standing.state, status, business, parties)
    if stays is not None:
        return (stays,)
    target = target_state(standing.state, status, business)
    if target is None:
        found = _by_what_it_brings(before, sent, standing.state, parties)
        return () if found is None else (found,)
    try:
        moves = plan_offer_moves(standing.state, target, parties)
    except IllegalMove:
        possible = [rule.move for rule in possible_offer_moves(standing, parties)]
        raise IllegalMove(
            f"The offer is {standing.state}: no move of yours makes it {target}.", possible
        ) from None
    # Who comes with a first result has arrived.
    reports = moves == (OfferMove.ARRIVE,) and "preliminary" in new_parts(before, sent, "output")
    return (*moves, OfferMove.REPORT) if reports else moves


def _leaves_status(
    state: OfferState, status: str, business: str | None, parties: frozenset[Party]
) -> OfferMove | None:
    """A question after the answer and a departure before it: words that another status has."""
    words, before = (status, business), OFFER_STATUS[state]
    asking, leaving = OFFER_STATUS[OfferState.AWAITING_INFORMATION], OFFER_STATUS[OfferState.IN_TRANSIT]
    if Party.RECEIVER in parties and state not in BEFORE_ANSWER and business == asking.business:
        return OfferMove.ASK if words == asking or status == before.status else None
    if Party.SENDER in parties and state in BEFORE_ANSWER and business == leaving.business:
        return OfferMove.DEPART if words == leaving or status == before.status else None
    return None


def _by_what_it_brings(
    before: Content, sent: Content, state: OfferState, parties: frozenset[Party]
) -> OfferMove | None:
    if Party.RECEIVER in parties:
        asks = reason_text(sent) not in {"", reason_text(before)}
        if state is OfferState.AWAITING_INFORMATION and asks:
            return OfferMove.ASK
        outputs = new_parts(before, sent, "output")
        if "preliminary" in outputs:
            return OfferMove.REPORT
        moved = sent.get("executionPeriod", before.get("executionPeriod")) != before.get("executionPeriod")
        if state is OfferState.SCHEDULED and (moved or outputs & _VISIT):
            return OfferMove.SCHEDULE
    departs = Party.SENDER in parties and state in BEFORE_ANSWER
    return OfferMove.DEPART if departs and new_parts(before, sent, "input") & _JOURNEY else None
