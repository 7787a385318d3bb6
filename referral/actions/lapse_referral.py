"""Lapse a referral whose slip is past its validity: the clock does, never by silence alone."""

from dataclasses import replace
from datetime import datetime

from referral.actions.carry_out import carry_out, change_referral
from referral.actions.workspace import Workspace
from referral.domain.codes import EndReason
from referral.domain.errors import IllegalMove
from referral.domain.lifecycle import (
    OfferMove,
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
    check_offer_move,
    check_referral_move,
)
from referral.fhir import systems
from referral.fhir.elements import concept

_SYSTEM = frozenset({Party.SYSTEM})


def plan_lapse(workspace: Workspace, referral_id: str, slip_ended: datetime) -> None:
    """Plan the end of a referral, and of its open offer, that nobody has taken in by the end of its slip.

    Raises IllegalMove where the slip still holds, the patient is on the way or has arrived, or it has ended.
    """
    referral = workspace.referral(referral_id)
    if referral is None:
        raise LookupError(f"no referral {referral_id}")
    check_referral_move(referral.state, ReferralMove.LAPSE, _SYSTEM)
    if workspace.now < slip_ended:
        raise IllegalMove("The slip of this referral still holds.", ())
    why = concept(systems.END_REASON, EndReason.SLIP_EXPIRED, "The validity of the slip is past.")
    reason = (EndReason.SLIP_EXPIRED.value, None)
    offer = next((one for one in workspace.offers_of(referral.id) if one.is_open), None)
    if offer is not None:
        if offer.is_on_the_way:
            raise IllegalMove("The patient is on the way: the slip ends nothing now.", ())
        check_offer_move(offer.state, OfferMove.LAPSE, _SYSTEM)
        carry_out(
            workspace,
            offer,
            OfferMove.LAPSE,
            OfferState.LAPSED,
            party=Party.SYSTEM,
            status_reason=why,
            reason=reason,
        )
        return
    after = replace(referral, state=ReferralState.LAPSED)
    change_referral(workspace, after, ReferralMove.LAPSE, Party.SYSTEM, reason, status_reason=why)
