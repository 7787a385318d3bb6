"""How a system asks for a move: what an update of a Task says."""

from referral.domain.lifecycle import OfferMove, OfferState, Party, legal_offer_moves
from referral.fhir.offer import business_status
from referral.fhir.states import OFFER_STATUS, offer_state
from scripts.fault_runs import bodies
from scripts.fault_runs.bodies import Resource

_REASONED = {
    OfferMove.ASK,
    OfferMove.REJECT,
    OfferMove.WITHDRAW,
    OfferMove.MISS,
    OfferMove.MARK_ERROR,
    OfferMove.REFER_ONWARD,
}


def state_of(task: Resource) -> OfferState:
    """The state that a stored Task says."""
    return offer_state(task["status"], business_status(task))


def move_change(
    task: Resource,
    move: OfferMove,
    *,
    reason: str,
    day: str,
    target: str,
    written: str | None,
    disposition: str,
) -> Resource:
    """The elements that an update changes to make a move, with all that the move needs.

    target: the facility to refer onward to. written: the reference to a report or summary.
    """
    rules = legal_offer_moves(state_of(task), frozenset(Party))
    after = next((rule.target for rule in rules if rule.move is move and rule.target), state_of(task))
    words = OFFER_STATUS[after]
    change: Resource = {"status": words.status}
    if words.business is not None:
        change["businessStatus"] = {"coding": [{"code": words.business}]}
    if move in _REASONED:
        change["statusReason"] = {"text": reason}
    added: list[Resource] = []
    match move:
        case OfferMove.SCHEDULE:
            change["executionPeriod"] = {"start": day}
            # Never the visit that stands already: that would be no move.
            added = [bodies.output("place", valueString=f"Ward 3. {reason}")]
        case OfferMove.REPORT:
            added = [bodies.output("preliminary", valueReference={"reference": written})]
        case OfferMove.COMPLETE:
            added = bodies.completion(written, disposition)
        case OfferMove.REFER_ONWARD:
            added = [bodies.output("target", valueReference=bodies.facility(target))]
    if added:
        change["output"] = [*task.get("output", ()), *added]
    return change
