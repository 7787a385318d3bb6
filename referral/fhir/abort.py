"""The Task by which a sender asks a receiver to stop care that has begun.

Code `abort` (http://hl7.org/fhir/CodeSystem/task-code), intent order, about the Task of the offer. What the
receiver does with it is told by its status: accepted stops the care, rejected goes on with it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from referral.domain.errors import BrokenRule, MissingElement
from referral.domain.referral import Offer
from referral.fhir import systems
from referral.fhir.elements import code_of, reference
from referral.fhir.states import status_of


class AbortAnswer(StrEnum):
    """What an update of an abort says."""

    STOP = "stop"
    REFUSE = "refuse"
    TAKE_BACK = "take-back"
    NOTHING = "nothing"


_ANSWERS = {
    "accepted": AbortAnswer.STOP,
    "in-progress": AbortAnswer.STOP,
    "completed": AbortAnswer.STOP,
    "rejected": AbortAnswer.REFUSE,
    "failed": AbortAnswer.REFUSE,
    "cancelled": AbortAnswer.TAKE_BACK,
    "entered-in-error": AbortAnswer.TAKE_BACK,
    "requested": AbortAnswer.NOTHING,
    "received": AbortAnswer.NOTHING,
}


def what_to_stop(content: Mapping[str, Any]) -> tuple[Mapping[str, Any], str] | None:
    """The reference to what a Task asks to stop, and where it stands; None where it asks for no such thing.

    The caller looks whether that is an offer. It is the focus; without one an input that refers to a Task,
    where HL7's Clinical Order Workflows have it (http://hl7.org/fhir/uv/cow/2025May).
    """
    if code_of(content.get("code"), systems.TASK_CODE) != "abort":
        return None
    if content.get("focus") is not None:
        return content["focus"], "focus"
    for position, part in enumerate(content.get("input", ())):
        named = part.get("valueReference", {})
        if "Task" in str(named.get("reference", "")).split("/"):
            return named, f"input[{position}].valueReference"
    return None


def abort_reason(content: Mapping[str, Any]) -> dict[str, Any]:
    """Why, in words: `reasonCode`, or `statusReason`. Raises MissingElement."""
    for element in ("reasonCode", "statusReason"):
        found = content.get(element, {})
        if str(found.get("text", "")).strip():
            return dict(found)
    raise MissingElement("To ask a receiver to stop, say why in reasonCode.text.", "Task.reasonCode")


def abort_answer(content: Mapping[str, Any]) -> AbortAnswer:
    """What the status of an abort says. Raises BrokenRule for one that it never has."""
    status = status_of(content)
    if status not in _ANSWERS:
        raise BrokenRule(f"A Task that asks to stop never has the status {status}.", "Task.status")
    return _ANSWERS[status]


def stamp_abort(content: dict[str, Any], offer: Offer, number: str | None, modified: str) -> None:
    """Write who asks whom about which patient, and when; the offer is the focus."""
    content["intent"] = "order"
    content["focus"] = reference("Task", offer.id)
    content["for"] = reference("Patient", offer.patient)
    content["requester"] = reference("Organization", offer.requester)
    content["owner"] = reference("Organization", offer.owner)
    content["groupIdentifier"] = {"system": systems.REFERRAL_NUMBER_IDENTIFIER, "value": number}
    content["lastModified"] = modified


def end_abort(content: dict[str, Any], *, done: bool) -> None:
    """Write that the care was stopped, or that it had ended before."""
    content["status"] = "completed" if done else "failed"
    if not done:
        content["statusReason"] = {"text": "The offer has ended without it."}
