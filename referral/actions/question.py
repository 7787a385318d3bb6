"""Questions of a receiver about an offer: each a Communication that waits for its answer."""

from referral.actions.draft import instant
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.referral import Demand, DemandKind, Offer
from referral.fhir.elements import reference


def put_question(workspace: Workspace, offer: Offer, text: str) -> None:
    """Write what a receiver asked by its Task as a Communication, the first of a thread."""
    key = ("Communication", workspace.new_id())
    workspace.put(
        *key,
        {
            "status": "completed",
            "basedOn": [reference("ServiceRequest", offer.referral)],
            "partOf": [reference("Task", offer.id)],
            "subject": reference("Patient", offer.patient),
            "recipient": [reference("Organization", offer.requester)],
            "sender": reference("Organization", offer.owner),
            "sent": instant(workspace.now),
            "payload": [{"contentString": text}],
        },
        offer.owner,
    )
    workspace.tell(key, "create")
    workspace.grant(offer.requester, *key, AccessScope.REFERRAL, via=offer.referral)
    open_question(workspace, offer, key[1])


def open_question(workspace: Workspace, offer: Offer, communication: str) -> None:
    """Remember that this Communication waits for an answer of the sender."""
    question = Demand(DemandKind.QUESTION, communication, offer.id, offer.referral, workspace.now)
    workspace.demands[question.kind, question.id] = question
