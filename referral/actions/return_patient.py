"""The way back: what comes back when care ends, and the down-referral of a patient who returns."""

from collections.abc import Mapping
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.open_offer import open_offer, why_no_target
from referral.actions.place_referral import submit
from referral.actions.take_summary import take_summary
from referral.actions.way_down import suggest_nearer
from referral.actions.workspace import Workspace
from referral.domain.codes import Direction, Disposition, Outcome, Priority
from referral.domain.errors import BrokenRule
from referral.domain.lifecycle import OfferMove, ReferralState
from referral.domain.referral import Offer, Referral
from referral.fhir import systems
from referral.fhir.elements import concept, reference
from referral.fhir.offer import disposition_of, outcome_of

_UNDER_WAY: Final = frozenset({ReferralState.UNPLACED, ReferralState.OFFERED, ReferralState.IN_CARE})


def ended_as(content: Mapping[str, Any], move: OfferMove) -> str | None:
    """The code of what became of the patient, where the move ends care: the disposition, `died` before it.

    Raises UnknownCode, BrokenRule where outcome and disposition contradict each other.
    """
    if move is not OfferMove.COMPLETE:
        return None
    outcome, disposition = outcome_of(content), disposition_of(content)
    if outcome is None or disposition is None:
        return disposition or (Disposition.DIED if outcome is Outcome.DIED else None)
    if (outcome is Outcome.DIED) is not (disposition is Disposition.DIED):
        raise BrokenRule("Who died has both the outcome and the disposition died.", "Task.output")
    return disposition


def end_care(
    workspace: Workspace,
    content: Mapping[str, Any],
    offer: Offer,
    referral: Referral,
    disposition: Disposition | None,
) -> None:
    """Take the summary, and open the way down for a patient who returns.

    content: the Task of the offer as it is completed. Raises BrokenRule as `take_summary` does.
    """
    summary = take_summary(workspace, content, referral)
    # A patient whom the lower level sends back goes up again, by a new referral of its own.
    down = referral.direction is Direction.DOWN
    target = goes_on_to(workspace, referral) if down else referral.sender
    returns = disposition is Disposition.RETURNED_TO_REFERRER
    if returns and target is not None and not _has_return(workspace, referral, offer.owner):
        open_return(workspace, referral, offer, summary, target)


def goes_on_to(workspace: Workspace, referral: Referral) -> str | None:
    """Who gets the patient of a down-referral after its receiver, the actor: who sent him up before.

    None where the actor sent him first, or nobody sent him up.
    """
    stored = workspace.loaded.referrals.get(referral.id)
    return stored.goes_on_to if stored is not None else None


def _has_return(workspace: Workspace, referral: Referral, receiver: str) -> bool:
    """Whether the receiver has sent the patient down already, or does so in this very transaction.

    Only what is still under way brings anybody back.
    """
    stored = workspace.loaded.referrals.get(referral.id)
    brought = any(
        other.based_on == referral.id
        and other.direction is Direction.DOWN
        and other.sender == receiver
        and other.state in _UNDER_WAY
        for other in workspace.referrals.values()
    )
    return brought or (stored is not None and receiver in stored.returned_by)


def open_return(
    workspace: Workspace, first: Referral, offer: Offer, summary: Mapping[str, Any] | None, target: str
) -> Referral:
    """Make and offer the down-referral that follows `first` to `target`, in the name of the receiver.

    summary: the reference to what comes back with the patient.
    """
    request = workspace.new_id()
    content: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "category": [concept(systems.REFERRAL_KIND, "referral")],
        "priority": Priority.ROUTINE.value,
        "code": {"text": "Follow-up after referral"},
        "subject": reference("Patient", first.patient),
        "basedOn": [reference("ServiceRequest", first.id)],
        "requester": reference("Organization", offer.owner),
        "performer": [reference("Organization", target)],
        "authoredOn": workspace.now.isoformat(timespec="seconds"),
    }
    if summary is not None:
        content["supportingInfo"] = [dict(summary)]
    down = Referral(
        id=request,
        network=first.network,
        number=None,
        journey=None,
        based_on=first.id,
        state=ReferralState.DRAFT,
        direction=Direction.DOWN,
        directed=True,
        priority=Priority.ROUTINE,
        sender=offer.owner,
        patient=first.patient,
        authored_on=workspace.now,
        updated_at=workspace.now,
    )
    draft = Draft("ServiceRequest", request, content, is_create=True)
    submit(workspace, draft, down, offered=True)
    placed = workspace.referrals[request]
    why = why_no_target(workspace, placed, target)
    if why is None:
        open_offer(workspace, placed, target)
    else:
        # The care has ended all the same; the receiver owes the patient another place.
        workspace.note(("Task", offer.id), f"The way down is unplaced. {why}")
    suggest_nearer(workspace, placed, offer, target)
    return workspace.referrals[request]
