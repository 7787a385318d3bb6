"""Questions of a receiver about an offer: each a Communication that waits for its answer."""

from collections.abc import Mapping
from typing import Any, Final

from referral.actions.draft import instant
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.lifecycle import OfferState
from referral.domain.referral import Demand, DemandKind, Offer
from referral.fhir import systems
from referral.fhir.communication import words_of
from referral.fhir.elements import concept, reference
from referral.fhir.states import OFFER_STATUS

QUESTION_OPEN: Final = concept(
    systems.OFFER_STATUS, OFFER_STATUS[OfferState.AWAITING_INFORMATION].business or ""
)
"""Why an offer waits, as its Task tells it; the words are for its two parties alone, who read the thread."""


def put_question(workspace: Workspace, offer: Offer, asked: Mapping[str, Any]) -> None:
    """Write what a receiver asked by its Task as a Communication, the first of a thread.

    asked: the `statusReason`, with its text.
    """
    codes = {"topic": dict(asked)} if "coding" in asked else {}
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
            **codes,
            "payload": [{"contentString": asked["text"]}],
        },
        offer.owner,
    )
    workspace.tell(key, "create")
    workspace.note(
        ("Task", offer.id), f"The question is Communication/{key[1]}: the parties of the offer read it."
    )
    workspace.grant(offer.requester, *key, AccessScope.REFERRAL, via=offer.referral)
    open_question(workspace, offer, key[1])


def open_question(workspace: Workspace, offer: Offer, communication: str) -> None:
    """Remember that this Communication waits for an answer of the sender."""
    question = Demand(DemandKind.QUESTION, communication, offer.id, offer.referral, workspace.now)
    workspace.demands[question.kind, question.id] = question


def is_said_here(workspace: Workspace, offer: Offer, text: str) -> bool:
    """Whether this transaction asks the same by a Communication, too."""
    said = (workspace.pending.get(("Communication", one.id)) for one in workspace.demands_of(offer.id))
    return any(one is not None and words_of(one.content) == text for one in said)
