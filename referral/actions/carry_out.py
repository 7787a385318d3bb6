"""Carry out one move of an offer: its Task, its event, its referral, who sees what, what is still open."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from referral.actions.draft import instant
from referral.actions.workspace import Workspace
from referral.domain.lifecycle import OPEN_OFFER, OfferMove, OfferState, Party, referral_after
from referral.domain.referral import Demand, DemandKind, Offer, Referral
from referral.fhir import systems
from referral.fhir.abort import end_abort
from referral.fhir.elements import set_extension
from referral.fhir.offer import REASONED, stamp_offer
from referral.fhir.referral import stamp_referral
from referral.fhir.states import REFERRAL_STATUS

Reason = tuple[str | None, str | None]
"""Code and text, as an event tells them."""

WITHOUT_CARE: Final = {
    OfferState.REJECTED,
    OfferState.REDIRECTED,
    OfferState.WITHDRAWN,
    OfferState.LAPSED,
    OfferState.ENTERED_IN_ERROR,
}
"""Ends of an offer whose owner had the patient never in care."""

_AFTER_CARE = {OfferState.COMPLETED, OfferState.STOPPED}
_NO_REASON: Reason = (None, None)


def carry_out(
    workspace: Workspace,
    offer: Offer,
    move: str,
    state: OfferState,
    *,
    party: Party,
    content: dict[str, Any] | None = None,
    status_reason: Mapping[str, Any] | None = None,
    reason: Reason = _NO_REASON,
    follow: bool = True,
) -> Offer:
    """Give an offer its new state, or the same; the offer as it then stands.

    content: the Task as the party has it, else as it stands. status_reason: why, in the Task (and in its
    referral, where that ends too); what was said there before is over with a move that gives none.
    follow: the referral becomes what the offer makes of it; else the caller sees to it.
    """
    referral = _referral(workspace, offer)
    if content is None:
        content = _content(workspace, "Task", offer.id)
    if status_reason is not None:
        content["statusReason"] = dict(status_reason)
    elif move not in REASONED and (state is not offer.state or move == OfferMove.ANSWER):
        content.pop("statusReason", None)
    after = replace(
        offer, state=state, updated_at=workspace.now, departed_at=_departed(offer, move, workspace.now)
    )
    workspace.offers[offer.id] = after
    stamp_offer(content, after, referral, instant(workspace.now))
    key = ("Task", offer.id)
    workspace.put(*key, content, offer.requester)
    workspace.tell(key, move, before=offer.state, after=state, party=party, referral=referral, reason=reason)
    if state in WITHOUT_CARE:
        workspace.end_access(after)
    if state not in OPEN_OFFER:
        _leave_nothing_open(workspace, after, move)
    following = referral_after(state, before=offer.state)
    if follow and following is not None and state is not offer.state and following is not referral.state:
        ended = reason if state in _AFTER_CARE else _NO_REASON
        change_referral(
            workspace,
            replace(referral, state=following),
            move,
            party,
            (ended[0], None),
            status_reason=content.get("statusReason"),
        )
    return after


def _departed(offer: Offer, move: str, now: datetime) -> datetime | None:
    if move == OfferMove.DEPART:
        return offer.departed_at or now
    # A new visit is set for who has not left, or did not come.
    return None if move in {OfferMove.MISS, OfferMove.SCHEDULE} else offer.departed_at


def change_referral(
    workspace: Workspace,
    after: Referral,
    move: str,
    party: Party,
    reason: Reason = _NO_REASON,
    *,
    status_reason: Mapping[str, Any] | None = None,
) -> Referral:
    """Give a referral its new state, with its document where the FHIR status differs, and its event.

    status_reason: why it is revoked, where it becomes that.
    """
    before = workspace.referral(after.id)
    if before is None:
        raise LookupError(f"no referral {after.id}")
    after = replace(after, updated_at=workspace.now)
    workspace.referrals[after.id] = after
    key = ("ServiceRequest", after.id)
    status = REFERRAL_STATUS[after.state]
    if REFERRAL_STATUS[before.state] != status:
        content = _content(workspace, *key)
        if status == "revoked" and status_reason:
            value = {"valueCodeableConcept": dict(status_reason)}
            set_extension(content, systems.STATUS_REASON_EXTENSION, value)
        stamp_referral(content, after)
        workspace.put(*key, content, after.sender)
    workspace.tell(
        key,
        move,
        before=before.state,
        after=after.state,
        party=party,
        referral=after,
        reason=reason,
    )
    return after


def settle(workspace: Workspace, demand: Demand, by: str | None = None) -> None:
    """What was asked is answered (by: the Communication that does), or is over."""
    workspace.demands[demand.kind, demand.id] = replace(demand, settled_at=workspace.now, settled_by=by)


def _leave_nothing_open(workspace: Workspace, offer: Offer, move: str) -> None:
    """An offer that has ended owes no answer, and is not to be stopped any more."""
    for demand in workspace.demands_of(offer.id):
        if not demand.is_open:
            continue
        settle(workspace, demand)
        if demand.kind is DemandKind.ABORT:
            content = _content(workspace, "Task", demand.id)
            end_abort(content, done=move == OfferMove.STOP)
            workspace.put("Task", demand.id, content, offer.requester)
            workspace.tell(("Task", demand.id), "update")


def _referral(workspace: Workspace, offer: Offer) -> Referral:
    referral = workspace.referral(offer.referral)
    if referral is None:
        raise LookupError(f"no referral {offer.referral}")
    return referral


def _content(workspace: Workspace, resource_type: str, resource_id: str) -> dict[str, Any]:
    content = workspace.current(resource_type, resource_id)
    if content is None:
        raise LookupError(f"no document {resource_type}/{resource_id}")
    return content
