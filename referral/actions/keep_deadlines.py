"""Keep what is owed of the referrals that one transaction moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from referral.actions.referral_codes import codes_in_hand
from referral.domain.deadlines import Deadline, Signing, Situation, Slot, deadlines_after
from referral.domain.lifecycle import OfferState, ReferralState
from referral.fhir.intervals import interval

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from referral.actions.referral_rules import RulesOf
    from referral.actions.workspace import Workspace
    from referral.domain.referral import Offer, Referral


def kept_deadlines(workspace: Workspace, rules_of: RulesOf) -> list[Deadline]:
    """The deadlines that stand otherwise after the transaction, of all referrals that it touches."""
    offers = [offer.referral for offer in workspace.offers.values()]
    demands = [demand.referral for demand in workspace.demands.values()]
    touched = dict.fromkeys([*workspace.referrals, *offers, *demands])
    found: list[Deadline] = []
    for referral_id in touched:
        referral = workspace.referral(referral_id)
        if referral is None:
            raise LookupError(f"no referral {referral_id}")
        stored = workspace.loaded.referrals.get(referral_id)
        before = stored.deadlines if stored else {}
        offer = _that_counts(workspace, referral)
        rules = rules_of(referral)
        situation = Situation(
            referral,
            offer,
            workspace.stands(offer) if offer is not None else None,
            None if Slot.SLIP in before else _signing(workspace, referral, rules.calendar.zone),
            workspace.is_replaced(referral_id),
        )
        found += deadlines_after(before, situation, rules, workspace.now)
    return found


def _that_counts(workspace: Workspace, referral: Referral) -> Offer | None:
    """The offer that is open; of a completed referral the one that was completed."""
    for offer in workspace.offers_of(referral.id):
        completed = referral.state is ReferralState.COMPLETED and offer.state is OfferState.COMPLETED
        if offer.is_open or completed:
            return offer
    return None


def _signing(workspace: Workspace, referral: Referral, zone: tzinfo) -> Signing | None:
    """When the request says that it was signed, and what it is for; None where it is not at hand.

    zone: of the network, whose day a date without a time is.
    """
    content = workspace.current("ServiceRequest", referral.id)
    if content is None:
        return None
    return Signing(_signed_at(content, zone) or workspace.now, sorted(codes_in_hand(workspace, content)))


def _signed_at(content: dict[str, Any], zone: tzinfo) -> datetime | None:
    text = content.get("authoredOn")
    if not isinstance(text, str):
        return None
    signed = interval(text).low
    return signed if "T" in text else signed.replace(tzinfo=zone)
