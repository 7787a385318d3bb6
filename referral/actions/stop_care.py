"""A sender asks a receiver to stop care that has begun, by a Task; the receiver does, or goes on."""

from typing import Any

from referral.actions.carry_out import carry_out, settle
from referral.actions.draft import Draft, instant
from referral.actions.workspace import Workspace, same_content
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule, Forbidden, IllegalMove, MissingElement
from referral.domain.lifecycle import OfferMove, OfferState, Party
from referral.domain.next_step import check_possible, possible_offer_moves
from referral.domain.permissions import parties_of
from referral.domain.referral import Demand, DemandKind, Offer
from referral.fhir.abort import AbortAnswer, abort_answer, abort_reason, stamp_abort, what_to_stop
from referral.fhir.references import Key, target_of

_CHANGED_BY_ANSWER = ("status", "statusReason", "businessStatus", "note")


def abort_of(workspace: Workspace, draft: Draft) -> Offer | None:
    """The offer that a Task asks to stop; None where it is another Task. A stored one stays what it is.

    Raises BrokenRule for a new one about no such offer: nobody would stop anything.
    """
    known = (workspace.loaded.demands | workspace.demands).get((DemandKind.ABORT, draft.id))
    if known is not None:
        return workspace.offer(known.offer)
    wanted = what_to_stop(draft.content)
    if draft.key in workspace.loaded.documents or wanted is None:
        return None
    reference, place = wanted
    key = target_of(reference, workspace.base, workspace.resolve)
    if key is not None and workspace.known(*key) is None:
        key = None
    if key is not None and key[0] != "Task" and workspace.referral(key[1]) is None:
        # Of another order, such as one of a laboratory.
        return None
    offer = workspace.offer(key[1]) if key is not None else None
    if offer is None:
        raise BrokenRule("What is to stop is the Task of an offer that is known to you.", draft.at(place))
    return offer


def plan_abort(workspace: Workspace, draft: Draft, offer: Offer) -> Key:
    """Plan a new Task that asks to stop, or what is done with one; returns the key of the one that stands.

    Raises Forbidden for who may not, IllegalMove where no care has begun or the wish is settled,
    MissingElement without a reason.
    """
    parties = parties_of(
        workspace.actor.facility, sender=offer.requester, receiver=offer.owner, office=offer.network
    )
    demand = (workspace.loaded.demands | workspace.demands).get((DemandKind.ABORT, draft.id))
    if demand is None:
        return _ask_to_stop(workspace, draft, offer, parties)
    return _answer(workspace, draft, demand, offer, parties)


def _ask_to_stop(workspace: Workspace, draft: Draft, offer: Offer, parties: frozenset[Party]) -> Key:
    if Party.SENDER not in parties:
        raise Forbidden("Only the sender of an offer asks its receiver to stop.")
    abort_reason(draft.content)
    if draft.content.get("status") != "requested":
        raise BrokenRule("A new Task that asks to stop has the status requested.", draft.at("status"))
    if offer.state is not OfferState.ARRIVED:
        possible = [rule.move for rule in possible_offer_moves(workspace.stands(offer), parties)]
        raise IllegalMove(f"The offer is {offer.state}: only care that is under way is stopped.", possible)
    for standing in workspace.demands_of(offer.id):
        if standing.kind is DemandKind.ABORT and standing.is_open:
            return ("Task", standing.id)
    demand = Demand(DemandKind.ABORT, draft.id, offer.id, offer.referral, workspace.now)
    workspace.demands[demand.kind, demand.id] = demand
    draft.content["authoredOn"] = instant(workspace.now)
    stamp_abort(draft.content, offer, _number(workspace, offer), instant(workspace.now))
    workspace.put(*draft.key, draft.content, offer.requester)
    workspace.tell(draft.key, "create")
    for facility in (offer.owner, offer.network):
        workspace.grant(facility, *draft.key, AccessScope.REFERRAL, via=offer.referral)
    return draft.key


def _answer(
    workspace: Workspace, draft: Draft, demand: Demand, offer: Offer, parties: frozenset[Party]
) -> Key:
    before = workspace.current(*draft.key)
    if before is None:
        raise LookupError(f"no Task {draft.id}")
    content = {
        **before,
        **{name: draft.content[name] for name in _CHANGED_BY_ANSWER if name in draft.content},
    }
    if same_content(content, before):
        return draft.key
    answer = abort_answer(content)
    by = Party.SENDER if answer is AbortAnswer.TAKE_BACK else Party.RECEIVER
    if by not in parties:
        raise Forbidden(f"Only the {by} of the offer does this with a wish to stop.")
    if not demand.is_open:
        possible = [rule.move for rule in possible_offer_moves(workspace.stands(offer), parties)]
        raise IllegalMove("This wish to stop is settled.", possible)
    if answer is AbortAnswer.REFUSE and not str(content.get("statusReason", {}).get("text", "")).strip():
        raise MissingElement("Say why the care goes on, in statusReason.text.", draft.at("statusReason.text"))
    stamp_abort(content, offer, _number(workspace, offer), instant(workspace.now))
    workspace.put(*draft.key, content, offer.requester)
    workspace.tell(draft.key, "update")
    match answer:
        case AbortAnswer.STOP:
            _stop(workspace, offer, parties, before)
        case AbortAnswer.REFUSE | AbortAnswer.TAKE_BACK:
            settle(workspace, demand)
    return draft.key


def _stop(workspace: Workspace, offer: Offer, parties: frozenset[Party], abort: dict[str, Any]) -> None:
    """End the care; that settles the wish, too."""
    rule = check_possible(workspace.stands(offer), OfferMove.STOP, parties)
    why = abort_reason(abort)
    carry_out(
        workspace,
        offer,
        OfferMove.STOP,
        rule.target or offer.state,
        party=Party.RECEIVER,
        status_reason={"text": why["text"]},
        reason=("other", why["text"]),
    )


def _number(workspace: Workspace, offer: Offer) -> str | None:
    referral = workspace.referral(offer.referral)
    return None if referral is None else referral.number
