"""Read an update of an offer's Task as moves, and carry them out."""

from dataclasses import dataclass, replace
from typing import Any

from referral.actions.advise import advise_at_end
from referral.actions.carry_out import Reason, carry_out
from referral.actions.check_visit import check_visit
from referral.actions.draft import Draft, instant
from referral.actions.end_referral import end_way_down
from referral.actions.give_output import give_outputs
from referral.actions.name_facility import named_facility
from referral.actions.open_offer import open_offer, why_no_target
from referral.actions.question import QUESTION_OPEN, is_said_here, put_question
from referral.actions.return_patient import end_care, ended_as, goes_on_to
from referral.actions.workspace import Workspace, same_content
from referral.domain.codes import CloseReason
from referral.domain.errors import BrokenRule, Forbidden, IllegalMove, MissingElement
from referral.domain.lifecycle import Need, OfferMove, OfferState, Party, missing_needs
from referral.domain.next_step import check_possible, nearest, possible_offer_moves
from referral.domain.permissions import parties_of
from referral.domain.referral import DemandKind, Offer, Referral
from referral.fhir.abort import abort_reason
from referral.fhir.offer import (
    GIVEN_BACK,
    disposition_of,
    given_needs,
    merge_update,
    named_parts,
    new_parts,
    output_reference,
    reason_text,
    require_needs,
    stamp_offer,
    write_systems,
)
from referral.fhir.reasons import reason_of
from referral.fhir.references import Key
from referral.fhir.task_update import wanted_moves

_CARRIED = {"means", "escort"}


@dataclass(frozen=True, slots=True)
class _Update:
    """One update under way: the offer and referral before it, and both contents of the Task."""

    draft: Draft
    offer: Offer
    referral: Referral
    before: dict[str, Any]
    parties: frozenset[Party]


def plan_offer_update(workspace: Workspace, draft: Draft) -> Key:
    """Plan an update of an offer: none, one or two moves, or a mere addition to its Task.

    Raises Forbidden for who is no party, IllegalMove for what the lifecycle does not have,
    MissingElement for what a move lacks, BrokenRule for parts that do not fit.
    """
    offer, before = workspace.offer(draft.id), workspace.current(*draft.key)
    referral = workspace.referral(offer.referral) if offer is not None else None
    if offer is None or referral is None or before is None:
        raise LookupError(f"no offer {draft.id}")
    actor = workspace.actor.facility
    parties = parties_of(actor, sender=offer.requester, receiver=offer.owner, office=offer.network)
    if not parties:
        raise Forbidden("Only the parties of an offer change it.")
    moves = wanted_moves(before, draft.content, workspace.stands(offer), parties)
    if moves == (OfferMove.ASK,) and is_said_here(workspace, offer, reason_text(draft.content)):
        moves = ()
    write_systems(draft.content, moves)
    content, aside = merge_update(
        before, draft.content, moves, is_open=offer.is_open, by_sender=Party.SENDER in parties
    )
    untaken = GIVEN_BACK & new_parts(before, draft.content, "output") if "output" in aside else set()
    if untaken and Party.RECEIVER in parties:
        legal = [rule.move for rule in possible_offer_moves(workspace.stands(offer), parties)]
        raise IllegalMove(
            f"The offer is {offer.state}: this update makes no move that takes {', '.join(sorted(untaken))}."
            " What a document says is corrected in the document.",
            legal,
            "Task.output",
        )
    for name in aside:
        workspace.note(draft.key, f"Task.{name} stays as it is: it is not yours to change, or not now.")
    update = _Update(replace(draft, content=content), offer, referral, before, parties)
    if not moves and not same_content(content, before):
        stamp_offer(content, offer, referral, instant(workspace.now))
        workspace.put(*draft.key, content, offer.requester)
        workspace.tell(
            draft.key,
            "amend",
            before=offer.state,
            after=offer.state,
            party=nearest(parties),
            referral=referral,
        )
    for move in moves:
        update = _move(workspace, update, move)
    if moves:
        give_outputs(workspace, update.referral, before, content)
    return draft.key


def _move(workspace: Workspace, update: _Update, move: OfferMove) -> _Update:
    """Carry out one move; returns the update with offer and referral as they then stand."""
    content, offer = update.draft.content, update.offer
    standing = workspace.stands(offer)
    rule = check_possible(standing, move, update.parties)
    ending = ended_as(content, move)
    disposition = disposition_of(content) if move is OfferMove.COMPLETE else None
    given = given_needs(content, update.before)
    if standing.abort:
        given |= {Need.ABORT_TASK}
    missing = missing_needs(
        rule,
        given,
        direction=update.referral.direction,
        disposition=disposition,
        goes_on=goes_on_to(workspace, update.referral) is not None,
    )
    require_needs(missing, move, "Task")
    reason: Reason = (ending, None)
    asked = content.get("statusReason", {})
    if move is OfferMove.ASK:
        content["statusReason"] = dict(QUESTION_OPEN)
    elif Need.REASON in rule.needs:
        reason = reason_of(content, move)
    elif move is OfferMove.CLOSE:
        reason = (CloseReason.EXPLICIT.value, None)
    elif move is OfferMove.STOP:
        if Need.REASON not in given:
            content["statusReason"] = _why_to_stop(workspace, offer)
        reason = reason_of(content, move)
    after = carry_out(
        workspace,
        offer,
        move,
        rule.target or offer.state,
        party=nearest(update.parties & rule.by),
        content=content,
        reason=reason,
    )
    referral = workspace.referrals.get(offer.referral, update.referral)
    match move:
        case OfferMove.ASK:
            put_question(workspace, after, asked)
        case OfferMove.SCHEDULE:
            check_visit(workspace, content, update.before, referral, after)
        case OfferMove.COMPLETE:
            end_care(workspace, content, after, referral, disposition)
            advise_at_end(workspace, referral, after.id, disposition)
        case OfferMove.REFER_ONWARD:
            _pass_on(workspace, update, referral)
        case OfferMove.MARK_ERROR if offer.state is OfferState.COMPLETED:
            end_way_down(workspace, referral, offer.owner, update.draft.key)
    return replace(update, offer=after, referral=workspace.referrals.get(offer.referral, referral))


def _why_to_stop(workspace: Workspace, offer: Offer) -> dict[str, Any]:
    """What the sender said when it asked the receiver to stop."""
    open_ones = (one for one in workspace.demands_of(offer.id) if one.is_open)
    abort = next(one for one in open_ones if one.kind is DemandKind.ABORT)
    content = workspace.current("Task", abort.id)
    return abort_reason(content or {})


def _pass_on(workspace: Workspace, update: _Update, referral: Referral) -> None:
    """Open the offer to the place that a receiver names instead of itself."""
    content = update.draft.content
    reference = output_reference(content, "target")
    if reference is None:
        raise MissingElement("To refer onward, name the target in an output.", "Task.output")
    target = named_facility(workspace, reference, "Task.output")
    if target is None or target == update.offer.owner:
        raise BrokenRule("The target of referring onward is another facility.", "Task.output")
    why = why_no_target(workspace, referral, target)
    if why is not None:
        raise BrokenRule(why, "Task.output")
    if any(
        one.owner == target and one.state in {OfferState.REJECTED, OfferState.REDIRECTED}
        for one in workspace.offers_of(referral.id)
    ):
        raise BrokenRule(
            "This facility has declined the referral already: its sender alone asks it once more.",
            "Task.output",
        )
    # Who is on the way comes as he was sent; when, the new target is told anew.
    on_the_way = update.offer.is_on_the_way
    inputs = [part for name, part in named_parts(content, "input").items() if name in _CARRIED]
    open_offer(
        workspace,
        referral,
        target,
        owner=reference,
        reasoned=True,
        party=Party.RECEIVER,
        inputs=inputs if on_the_way else (),
        departed_at=update.offer.departed_at if on_the_way else None,
    )
