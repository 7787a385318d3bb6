"""Read an update of an offer's Task as moves, and carry them out."""

from dataclasses import dataclass, replace
from typing import Any

from referral.actions.draft import Draft, instant
from referral.actions.give_output import give, give_outputs
from referral.actions.name_facility import named_facility, require_known
from referral.actions.open_offer import open_offer
from referral.actions.return_patient import open_return
from referral.actions.workspace import Workspace, same_content
from referral.domain.codes import Direction, Disposition
from referral.domain.errors import BrokenRule, Forbidden, MissingElement
from referral.domain.lifecycle import (
    Need,
    OfferMove,
    OfferState,
    Party,
    ReferralState,
    check_offer_move,
    missing_needs,
    plan_offer_moves,
    referral_after,
)
from referral.domain.permissions import parties_of
from referral.domain.referral import Offer, Referral
from referral.fhir.offer import (
    brings_report,
    business_status,
    disposition_of,
    given_needs,
    merge_update,
    outcome_of,
    output_reference,
    reason_of,
    require_needs,
    stamp_offer,
    write_systems,
)
from referral.fhir.references import Key
from referral.fhir.referral import stamp_referral
from referral.fhir.states import REFERRAL_STATUS, status_of, target_state

_WITHOUT_CARE = {
    OfferState.REJECTED,
    OfferState.REDIRECTED,
    OfferState.WITHDRAWN,
    OfferState.LAPSED,
    OfferState.ENTERED_IN_ERROR,
}
_SUMMARY_TYPES = {"DocumentReference", "Composition"}


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
    moves = _moves(draft.content, before, offer, parties)
    write_systems(draft.content, moves)
    content, aside = merge_update(
        before, draft.content, moves, is_open=offer.is_open, by_sender=Party.SENDER in parties
    )
    for name in aside:
        workspace.note(draft.key, f"Task.{name} stays as it is: it is not yours to change, or not now.")
    update = _Update(replace(draft, content=content), offer, referral, before, parties)
    if not moves and not same_content(content, before):
        stamp_offer(content, offer, referral, instant(workspace.now))
        workspace.put(*draft.key, content, offer.requester)
        _tell(workspace, update, "amend", offer.state)
    for move in moves:
        update = _move(workspace, update, move)
    if moves:
        give_outputs(workspace, update.referral, before, content)
    return draft.key


def _moves(
    content: dict[str, Any], before: dict[str, Any], offer: Offer, parties: frozenset[Party]
) -> tuple[OfferMove, ...]:
    """The moves that an update stands for, by its statuses, or by a report that changes none."""
    target = target_state(offer.state, status_of(content), business_status(content))
    if target is not None:
        return plan_offer_moves(offer.state, target, parties)
    if Party.RECEIVER in parties and brings_report(before, content):
        return (OfferMove.REPORT,)
    return ()


def _move(workspace: Workspace, update: _Update, move: OfferMove) -> _Update:
    """Carry out one move; returns the update with offer and referral as they then stand."""
    content, offer = update.draft.content, update.offer
    rule = check_offer_move(offer.state, move, update.parties)
    disposition = None
    if move is OfferMove.COMPLETE:
        outcome_of(content)
        disposition = disposition_of(content)
    given = given_needs(content, update.before)
    missing = missing_needs(rule, given, direction=update.referral.direction, disposition=disposition)
    require_needs(missing, move, "Task")
    reasoned = {Need.REASON, Need.TEXT} & set(rule.needs)
    code, text = reason_of(content, move) if reasoned else (None, None)
    after = replace(offer, state=rule.target or offer.state, updated_at=workspace.now)
    workspace.offers[offer.id] = after
    stamp_offer(content, after, update.referral, instant(workspace.now))
    workspace.put(*update.draft.key, content, offer.requester)
    _tell(workspace, update, move, after.state, (code, text))
    referral = _follow(workspace, update, after, move)
    if move is OfferMove.COMPLETE:
        _complete(workspace, update, referral, disposition)
    if move is OfferMove.REFER_ONWARD:
        _pass_on(workspace, update, referral)
    return replace(update, offer=after, referral=referral)


def _follow(workspace: Workspace, update: _Update, after: Offer, move: OfferMove) -> Referral:
    """What an offer's new state does to its referral and to who sees the package; returns the referral."""
    before = update.offer
    referral = workspace.referral(after.referral)
    if referral is None:
        raise LookupError(f"no referral {after.referral}")
    if after.state in _WITHOUT_CARE:
        workspace.end_access(after)
    state = referral_after(after.state, before=before.state)
    if state is None or after.state is before.state or state is referral.state:
        return referral
    return change_referral(workspace, replace(referral, state=state), move, _party(update))


def change_referral(
    workspace: Workspace,
    after: Referral,
    move: str,
    party: Party,
    reason: tuple[str | None, str | None] = (None, None),
) -> Referral:
    """Give a referral its new state, with its document where the FHIR status differs, and its event."""
    before = workspace.referral(after.id)
    if before is None:
        raise LookupError(f"no referral {after.id}")
    after = replace(after, updated_at=workspace.now)
    workspace.referrals[after.id] = after
    key = ("ServiceRequest", after.id)
    if REFERRAL_STATUS[before.state] != REFERRAL_STATUS[after.state]:
        content = workspace.current(*key)
        if content is None:
            raise LookupError(f"no document of referral {after.id}")
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


def _party(update: _Update) -> Party:
    """The party that the actor speaks for in this update, the closest to the patient first."""
    order = (Party.RECEIVER, Party.SENDER, Party.OFFICE)
    return next(party for party in order if party in update.parties)


def _tell(
    workspace: Workspace,
    update: _Update,
    move: str,
    after: OfferState,
    reason: tuple[str | None, str | None] = (None, None),
) -> None:
    workspace.tell(
        update.draft.key,
        move,
        before=update.offer.state,
        after=after,
        party=_party(update),
        referral=update.referral,
        reason=reason,
    )


def _complete(
    workspace: Workspace, update: _Update, referral: Referral, disposition: Disposition | None
) -> None:
    """Check what comes back, let the senders of the journey read it, and open the way down."""
    summary = output_reference(update.draft.content, "summary")
    if summary is not None:
        key, known = require_known(workspace, summary, "Task.output")
        if key[0] not in _SUMMARY_TYPES:
            raise BrokenRule("A summary is a DocumentReference or a Composition.", "Task.output")
        if known.patient != referral.patient:
            raise BrokenRule("The summary must be about the patient of the referral.", "Task.output")
        give(workspace, referral, key, known, {referral.sender} | workspace.journey_senders(referral))
    # A patient whom the lower level sends back goes up again, by a new referral of its own.
    returns = disposition is Disposition.RETURNED_TO_REFERRER and referral.direction is not Direction.DOWN
    if returns and not _has_return(workspace, referral, update.offer.owner):
        open_return(workspace, referral, update.offer, summary)


def _has_return(workspace: Workspace, referral: Referral, receiver: str) -> bool:
    """Whether the receiver has sent the patient down already, or does so in this very transaction."""
    stored = workspace.loaded.referrals.get(referral.id)
    brought = any(
        other.based_on == referral.id
        and other.direction is Direction.DOWN
        and other.sender == receiver
        and other.state is not ReferralState.DRAFT
        for other in workspace.referrals.values()
    )
    return brought or (stored is not None and receiver in stored.returned_by)


def _pass_on(workspace: Workspace, update: _Update, referral: Referral) -> None:
    """Open the offer to the place that a receiver names instead of itself."""
    reference = output_reference(update.draft.content, "target")
    if reference is None:
        raise MissingElement("To refer onward, name the target in an output.", "Task.output")
    target = named_facility(workspace, reference, "Task.output")
    if target is None or target == update.offer.owner:
        raise BrokenRule("The target of referring onward is another facility.", "Task.output")
    open_offer(workspace, referral, target, owner=reference, reasoned=True, onward=True)
