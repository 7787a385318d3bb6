"""Read an update of an offer's Task as moves, and carry them out."""

from dataclasses import dataclass, replace
from typing import Any

from referral.actions.name_facility import named_facility, require_known
from referral.actions.open_offer import open_offer
from referral.actions.return_patient import open_return
from referral.actions.workspace import Draft, Workspace, instant, same_content
from referral.domain.codes import AccessScope, Disposition
from referral.domain.errors import BrokenRule, Forbidden, MissingElement
from referral.domain.lifecycle import (
    OfferMove,
    OfferState,
    Party,
    check_offer_move,
    missing_needs,
    plan_offer_moves,
    referral_after,
)
from referral.domain.permissions import parties_of
from referral.domain.referral import Offer, Referral
from referral.fhir.offer import (
    HUB_OWNED,
    business_status,
    disposition_of,
    given_needs,
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
    _keep_hub_owned(workspace, draft, before)
    update = _Update(draft, offer, referral, before, parties)
    content = draft.content
    target = target_state(offer.state, status_of(content), business_status(content))
    moves = () if target is None else plan_offer_moves(offer.state, target, parties)
    write_systems(content, moves)
    stamp_offer(content, offer, referral, before["lastModified"])
    if not moves and same_content(content, before):
        return draft.key
    if not moves:
        stamp_offer(content, offer, referral, instant(workspace.now))
        workspace.put(*draft.key, content, offer.requester)
        _tell(workspace, update, "amend", offer.state)
    for move in moves:
        update = _move(workspace, update, move)
    return draft.key


def _keep_hub_owned(workspace: Workspace, draft: Draft, before: dict[str, Any]) -> None:
    for name in HUB_OWNED:
        if name in draft.content and draft.content[name] != before.get(name) and name != "lastModified":
            workspace.note(draft.key, f"Task.{name} belongs to the hub and stays as it is.")
        if name in before:
            draft.content[name] = before[name]
        else:
            draft.content.pop(name, None)


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
    code, text = reason_of(content, move) if missing or rule.needs else (None, None)
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
        workspace.changes.ended.append((after.owner, after.id, workspace.now))
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
        for facility in ({referral.sender} | workspace.journey_senders(referral)) - {known.owner}:
            workspace.grant(facility, *key, AccessScope.PACKAGE, via=referral.id)
    if disposition is Disposition.RETURNED_TO_REFERRER and not _has_return(workspace, referral):
        open_return(workspace, referral, update.offer, summary)


def _has_return(workspace: Workspace, referral: Referral) -> bool:
    """Whether the way down is there already, or comes with this very transaction."""
    stored = workspace.loaded.referrals.get(referral.id)
    brought = any(other.based_on == referral.id for other in workspace.referrals.values())
    return brought or (stored is not None and stored.has_return)


def _pass_on(workspace: Workspace, update: _Update, referral: Referral) -> None:
    """Open the offer to the place that a receiver names instead of itself."""
    reference = output_reference(update.draft.content, "target")
    if reference is None:
        raise MissingElement("To refer onward, name the target in an output.", "Task.output")
    target = named_facility(workspace, reference, "Task.output")
    if target is None or target == update.offer.owner:
        raise BrokenRule("The target of referring onward is another facility.", "Task.output")
    open_offer(workspace, referral, target, owner=reference, reasoned=True, onward=True)
