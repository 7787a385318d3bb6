"""Open the way back: the down-referral that follows an up-referral whose patient returns."""

from collections.abc import Mapping
from typing import Any

from referral.actions.draft import Draft
from referral.actions.open_offer import open_offer, why_no_target
from referral.actions.place_referral import submit
from referral.actions.workspace import Workspace
from referral.domain.codes import Direction, Priority
from referral.domain.lifecycle import ReferralState
from referral.domain.referral import Offer, Referral
from referral.fhir import systems
from referral.fhir.elements import concept, reference


def open_return(
    workspace: Workspace, first: Referral, offer: Offer, summary: Mapping[str, Any] | None
) -> Referral:
    """Make and offer the down-referral of `first` to its sender, in the name of the receiver.

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
        "performer": [reference("Organization", first.sender)],
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
    why = why_no_target(workspace, placed, first.sender)
    if why is None:
        open_offer(workspace, placed, first.sender)
    else:
        # The care has ended all the same; the receiver owes the patient another place.
        workspace.note(("Task", offer.id), f"The way down is unplaced. {why}")
    return workspace.referrals[request]
