"""End a referral with the offers that stand: it is cancelled, or it was a mistake."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from referral.actions.carry_out import Reason, carry_out, change_referral
from referral.actions.workspace import Workspace
from referral.domain.codes import Direction, WithdrawReason
from referral.domain.lifecycle import (
    BEFORE_ANSWER,
    OfferMove,
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
)
from referral.domain.referral import Referral
from referral.fhir import systems
from referral.fhir.elements import concept, set_extension

_MISTAKEN = "The care that this one continues was entered in error."
_WAITING = {ReferralState.UNPLACED, ReferralState.OFFERED}


def end_referral(
    workspace: Workspace,
    referral: Referral,
    move: ReferralMove,
    why: Mapping[str, Any],
    reason: Reason,
) -> None:
    """Cancel, dismiss, discard or mark in error: the content stays but for the reason.

    why: the reason, as the documents have it; empty for none. reason: as the events do.
    """
    party = Party.OFFICE if workspace.actor.facility == referral.network else Party.SENDER
    cancels = move in {ReferralMove.CANCEL, ReferralMove.DISMISS}
    state = ReferralState.CANCELLED if cancels else ReferralState.ENTERED_IN_ERROR
    ended, offer_move = (
        (OfferState.WITHDRAWN, OfferMove.WITHDRAW)
        if cancels
        else (OfferState.ENTERED_IN_ERROR, OfferMove.MARK_ERROR)
    )
    standing = [
        offer
        for offer in workspace.offers_of(referral.id)
        if offer.is_open or offer.state is OfferState.COMPLETED
    ]
    for offer in standing:
        carry_out(
            workspace,
            offer,
            offer_move,
            ended,
            party=party,
            status_reason=why or None,
            reason=reason,
            follow=False,
        )
        if offer.state is OfferState.COMPLETED:
            end_way_down(workspace, referral, offer.owner, ("ServiceRequest", referral.id))
    content = workspace.current("ServiceRequest", referral.id)
    if content is None:
        raise LookupError(f"no document of referral {referral.id}")
    if why:
        set_extension(content, systems.STATUS_REASON_EXTENSION, {"valueCodeableConcept": dict(why)})
    workspace.put("ServiceRequest", referral.id, content, referral.sender)
    change_referral(workspace, replace(referral, state=state), move, party, reason)


def end_way_down(workspace: Workspace, referral: Referral, receiver: str, told: tuple[str, str]) -> None:
    """Cancel for the office what a completion that was a mistake sent down, unless that is accepted.

    told: the resource whose answer tells of what goes on.
    """
    code = WithdrawReason.ENTERED_BY_MISTAKE.value
    why = concept(systems.WITHDRAW_REASON, code) | {"text": _MISTAKEN}
    for name in list(workspace.loaded.referrals):
        down = workspace.referral(name)
        if down is None or (down.based_on, down.sender, down.direction) != (
            referral.id,
            receiver,
            Direction.DOWN,
        ):
            continue
        answered = any(
            offer.is_open and offer.state not in BEFORE_ANSWER for offer in workspace.offers_of(name)
        )
        if down.state in _WAITING and not answered:
            end_referral(workspace, down, ReferralMove.CANCEL, why, (code, _MISTAKEN))
        elif down.state not in {ReferralState.CANCELLED, ReferralState.ENTERED_IN_ERROR}:
            workspace.note(told, f"The way down, ServiceRequest/{name}, goes on: it was accepted.")
