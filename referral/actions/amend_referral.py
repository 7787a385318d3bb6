"""Read an update of a referral's ServiceRequest: submit, cancel, take back, or add to it."""

from dataclasses import replace
from typing import Any

from referral.actions.carry_out import carry_out
from referral.actions.draft import Draft
from referral.actions.end_referral import end_referral
from referral.actions.flag_missing import flag_missing
from referral.actions.place_referral import reread_draft, submit
from referral.actions.workspace import Workspace, same_content
from referral.domain.codes import WithdrawReason
from referral.domain.errors import BrokenRule, Forbidden, IllegalMove, MissingElement
from referral.domain.lifecycle import (
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
    legal_referral_moves,
)
from referral.domain.next_step import check_referral_possible
from referral.domain.permissions import parties_of
from referral.domain.referral import Referral
from referral.fhir import systems
from referral.fhir.elements import with_system
from referral.fhir.reasons import check_reason
from referral.fhir.references import Key
from referral.fhir.referral import (
    check_frozen,
    is_referral,
    keep_parties,
    priority_of,
    stamp_referral,
    status_reason,
)
from referral.fhir.states import REFERRAL_STATUS, referral_move, status_of

_AMENDABLE = {
    ReferralState.UNPLACED,
    ReferralState.OFFERED,
    ReferralState.IN_CARE,
    ReferralState.COMPLETED,
}


def plan_referral_update(workspace: Workspace, draft: Draft, *, offered: bool) -> Key:
    """Plan an update of a referral by its sender, or its cancelling by the office.

    offered: the same transaction brings its Task. Raises Forbidden for others, BrokenRule for changes of
    what is frozen, MissingElement for a move without its reason, IllegalMove.
    """
    referral, before = workspace.referral(draft.id), workspace.current(*draft.key)
    if referral is None or before is None:
        raise LookupError(f"no referral {draft.id}")
    if not is_referral(draft.content):
        raise BrokenRule("A referral stays one: keep its intent and category.", draft.at("category"))
    parties = parties_of(workspace.actor.facility, sender=referral.sender, office=referral.network)
    if not parties:
        raise Forbidden("Only its sender changes a referral; a receiver moves its offer, the Task.")
    move = _wanted(referral, draft, before)
    if move is not None:
        replaced = workspace.is_replaced(referral.id)
        check_referral_possible(referral.state, move, parties, replaced=replaced)
    if Party.SENDER not in parties and move is None:
        raise Forbidden("The office cancels a referral; only its sender changes what it says.")
    match move:
        case ReferralMove.SUBMIT:
            submit(workspace, draft, reread_draft(workspace, draft, referral), offered=offered)
        case None if referral.state is ReferralState.DRAFT:
            _rewrite_draft(workspace, draft, reread_draft(workspace, draft, referral), before)
        case None:
            _amend(workspace, draft, referral, before)
        case _:
            _end(workspace, draft, referral, move)
    return draft.key


def _wanted(referral: Referral, draft: Draft, before: dict[str, Any]) -> ReferralMove | None:
    """The move that an update stands for: by its status, or by another reason for which it has ended."""
    status = status_of(draft.content)
    if referral.state is ReferralState.LAPSED and status == REFERRAL_STATUS[ReferralState.CANCELLED]:
        dismissed = status_reason(draft.content) not in ({}, status_reason(before))
        return ReferralMove.DISMISS if dismissed else None
    return referral_move(referral.state, status)


def _rewrite_draft(workspace: Workspace, draft: Draft, referral: Referral, before: dict[str, Any]) -> None:
    for name in stamp_referral(draft.content, referral):
        workspace.note(draft.key, f"ServiceRequest.{name} belongs to the hub and was set by it.")
    if not same_content(draft.content, before):
        _rewrite(workspace, draft, referral)


def _rewrite(workspace: Workspace, draft: Draft, referral: Referral) -> None:
    """Write what its sender changed, while the state of the referral stays."""
    workspace.referrals[referral.id] = referral
    workspace.put(*draft.key, draft.content, referral.sender)
    workspace.tell(
        draft.key,
        "amend",
        before=referral.state,
        after=referral.state,
        party=Party.SENDER,
        referral=referral,
    )


def _amend(workspace: Workspace, draft: Draft, referral: Referral, before: dict[str, Any]) -> None:
    content = draft.content
    check_frozen(before, content, draft.type)
    for name in (*keep_parties(content, before), *stamp_referral(content, referral)):
        workspace.note(draft.key, f"ServiceRequest.{name} belongs to the hub and stays as it is.")
    if same_content(content, before):
        return
    if referral.state not in _AMENDABLE:
        legal = [rule.move for rule in legal_referral_moves(referral.state, frozenset({Party.SENDER}))]
        raise IllegalMove(f"The referral is {referral.state}: what it says is fixed.", legal)
    after = replace(referral, priority=priority_of(content), updated_at=workspace.now)
    _rewrite(workspace, draft, after)
    flag_missing(workspace, content, after)
    for offer in workspace.offers_of(referral.id):
        if offer.is_open or offer.state is OfferState.COMPLETED:
            workspace.give_package(referral, offer)
        if offer.is_open and offer.priority is not after.priority:
            raised = replace(offer, priority=after.priority)
            carry_out(workspace, raised, "amend", offer.state, party=Party.SENDER, follow=False)


def _end(workspace: Workspace, draft: Draft, referral: Referral, move: ReferralMove) -> None:
    """Cancel, discard or mark in error: the content stays but for the reason; a standing offer ends too."""
    reason, place = status_reason(draft.content), draft.at("extension")
    text, code = str(reason.get("text", "")).strip(), None
    if not text and move is not ReferralMove.DISCARD:
        raise MissingElement(
            f"To {move} a referral, say why in request-statusReason (its valueCodeableConcept.text).",
            place,
        )
    if move in {ReferralMove.CANCEL, ReferralMove.DISMISS}:
        code = check_reason(reason, systems.WITHDRAW_REASON, WithdrawReason, place)
        reason = with_system(reason, systems.WITHDRAW_REASON)
    end_referral(workspace, referral, move, reason, (code or "other", text or None))
