"""Claim a referral: the patient turned up at a facility that nobody had asked, or at the one that was.

It is named by what the patient brings: the number on the letter and the birth date. Who guesses is told
nothing, and held after some tries.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from referral.actions.carry_out import carry_out
from referral.actions.draft import Written
from referral.actions.open_offer import enter_offer, make_offer
from referral.actions.referral_rules import RulesOf
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, NotFound, TooManyClaims
from referral.domain.lifecycle import (
    OfferMove,
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
)
from referral.domain.next_step import check_referral_possible
from referral.domain.referral import Offer, Referral
from referral.fhir import systems
from referral.fhir.elements import concept, reference
from referral.fhir.offer import new_offer
from referral.fhir.references import Key
from referral.store.change_set import Claim, Loaded, WriteRequest, apply_changes, load_for_write
from referral.store.pool import Store
from referral.store.replay import Answer, Once

_ELSEWHERE = "The patient turned up at another facility, which is the target in the output."


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is asked: the number of the referral and the birth date, as far as it is known; by whom, when."""

    number: str
    birth_date: str
    actor: Actor
    now: datetime


async def claim_referral(
    store: Store,
    claim: Claimed,
    *,
    base: str,
    new_id: Callable[[], str],
    request_id: str | None,
    address: str | None,
    render: Callable[[Written], Answer],
    rules: RulesOf,
    once: Once | None = None,
) -> Answer:
    """Take the patient of a referral in care; the answer is what `render` makes of the arrived offer.

    rules: gives what a referral goes by.
    Raises NotFound where no referral of the actor's networks has this number and birth date, TooManyClaims
    after some of these, IllegalMove where it is in care, ended or replaced, BrokenRule for its own sender.
    """
    actor, now = claim.actor, claim.now.replace(microsecond=claim.now.microsecond // 1000 * 1000)
    asked = Claim(claim.number, claim.birth_date, actor.client, now)
    async with store.writing(actor.facility) as connection:
        loaded = await load_for_write(connection, WriteRequest(actor.facility, once=once, claim=asked))
        if loaded.replay is not None:
            return loaded.replay
        if loaded.claimed is not None:
            at = loaded.not_before(now)
            workspace = Workspace(
                actor, at, request_id, base, new_id, loaded, address, clock=now, rules=rules
            )
            key = _plan(workspace, loaded.claimed)
            changes = workspace.finish()
            answer = render(workspace.written(key))
            if once is not None:
                changes.replay.append(once.kept(actor.facility, answer))
            if changes.documents or changes.replay:
                await apply_changes(connection, changes)
            return answer
    # Only now: the try is counted, whatever it is answered.
    raise _refusal(loaded)


def _refusal(loaded: Loaded) -> NotFound | TooManyClaims:
    if loaded.held:
        return TooManyClaims("Too many claims named no referral: try later, or ask its sender.")
    return NotFound("No referral of your networks has this number and birth date.")


def _plan(workspace: Workspace, claimed: str) -> Key:
    referral, me = workspace.referral(claimed), workspace.actor.facility
    if referral is None:
        raise LookupError(f"no referral {claimed}")
    if referral.sender == me:
        raise BrokenRule("Your own facility sent this patient: withdraw the offer, or cancel the referral.")
    standing = next((offer for offer in workspace.offers_of(referral.id) if offer.is_open), None)
    if standing is not None and standing.owner == me:
        if standing.state is not OfferState.ARRIVED:
            carry_out(workspace, standing, OfferMove.ARRIVE, OfferState.ARRIVED, party=Party.RECEIVER)
        return ("Task", standing.id)
    check_referral_possible(
        referral.state,
        ReferralMove.CLAIM,
        frozenset({Party.MEMBER}),
        replaced=workspace.is_replaced(referral.id),
    )
    if standing is not None:
        _redirect(workspace, standing, me)
    return _take_in(workspace, referral, me)


def _redirect(workspace: Workspace, offer: Offer, to: str) -> None:
    """End the open offer of another: it is told where the patient is."""
    content = workspace.current("Task", offer.id)
    if content is None:
        raise LookupError(f"no document of offer {offer.id}")
    target = {
        "type": concept(systems.TASK_OUTPUT, "target"),
        "valueReference": reference("Organization", to),
    }
    content["output"] = [*content.get("output", ()), target]
    carry_out(
        workspace,
        offer,
        ReferralMove.CLAIM,
        OfferState.REDIRECTED,
        party=Party.MEMBER,
        content=content,
        status_reason={"text": _ELSEWHERE},
        reason=("other", None),
        follow=False,
    )


def _take_in(workspace: Workspace, referral: Referral, facility: str) -> Key:
    offer = make_offer(workspace, referral, facility, OfferState.ARRIVED)
    placed = replace(referral, state=ReferralState.IN_CARE)
    enter_offer(workspace, offer, placed, ReferralMove.CLAIM, party=Party.MEMBER, made=new_offer(offer))
    return ("Task", offer.id)
