"""The FHIR words for the states of a referral and of an offer: here and nowhere else.

A referral is a ServiceRequest (http://hl7.org/fhir/R4/servicerequest.html), an offer a Task with code
`fulfill` (http://hl7.org/fhir/R4/task.html). `Task.businessStatus` carries a code of our CodeSystem
`offer-status`, because several of our states share one `Task.status`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from referral.domain.errors import BrokenRule, MissingElement, UnknownCode
from referral.domain.lifecycle import OfferState, ReferralMove, ReferralState


class TaskStatus(NamedTuple):
    """The two words of an offer's state; an offer entered in error has no business status."""

    status: str
    business: str | None


REFERRAL_STATUS: Mapping[ReferralState, str] = {
    ReferralState.DRAFT: "draft",
    ReferralState.UNPLACED: "active",
    ReferralState.OFFERED: "active",
    ReferralState.IN_CARE: "active",
    ReferralState.COMPLETED: "completed",
    ReferralState.CLOSED: "completed",
    ReferralState.CANCELLED: "revoked",
    ReferralState.LAPSED: "revoked",
    ReferralState.ENTERED_IN_ERROR: "entered-in-error",
}

# The first state of each Task.status is the one that the status alone means.
OFFER_STATUS: Mapping[OfferState, TaskStatus] = {
    OfferState.REQUESTED: TaskStatus("requested", "requested"),
    OfferState.RECEIVED: TaskStatus("received", "received"),
    OfferState.AWAITING_INFORMATION: TaskStatus("received", "awaiting-information"),
    OfferState.ACCEPTED: TaskStatus("accepted", "accepted"),
    OfferState.SCHEDULED: TaskStatus("accepted", "visit-scheduled"),
    OfferState.IN_TRANSIT: TaskStatus("accepted", "in-transit"),
    OfferState.NO_SHOW: TaskStatus("accepted", "no-show"),
    OfferState.ARRIVED: TaskStatus("in-progress", "arrived"),
    OfferState.COMPLETED: TaskStatus("completed", "completed"),
    OfferState.CLOSED: TaskStatus("completed", "closed"),
    OfferState.REJECTED: TaskStatus("rejected", "rejected"),
    OfferState.REDIRECTED: TaskStatus("rejected", "referred-onward"),
    OfferState.WITHDRAWN: TaskStatus("cancelled", "withdrawn"),
    OfferState.LAPSED: TaskStatus("cancelled", "lapsed"),
    OfferState.STOPPED: TaskStatus("failed", "stopped"),
    OfferState.ENTERED_IN_ERROR: TaskStatus("entered-in-error", None),
}

_BY_WORDS = {words: state for state, words in OFFER_STATUS.items()}
_BY_STATUS_ALONE = {words.status: state for state, words in reversed(tuple(OFFER_STATUS.items()))}
_BUSINESS_CODES = {words.business for words in OFFER_STATUS.values() if words.business}
_UNUSED_TASK_STATUSES = {"draft", "ready", "on-hold"}


def offer_state(status: str, business: str | None) -> OfferState:
    """The state that the two words of a Task mean; without a business status the status's first one.

    Raises UnknownCode for a word outside its value set, BrokenRule for words that do not go together.
    """
    _check_words(status, business)
    if business is None:
        return _BY_STATUS_ALONE[status]
    state = _BY_WORDS.get(TaskStatus(status, business))
    if state is None:
        raise BrokenRule(
            f"An offer of status {status} cannot have the business status {business}.", "Task.businessStatus"
        )
    return state


def target_state(stored: OfferState, status: str, business: str | None) -> OfferState | None:
    """The state that an update of an offer's Task asks for; None when it leaves the state alone.

    A business status equal to the stored one is a left-over when the status changed; none, while the
    status is the stored one, asks for nothing. Raises as `offer_state` does.
    """
    before = OFFER_STATUS[stored]
    if business == before.business:
        business = None
    if business is None and status == before.status:
        return None
    return offer_state(status, business)


def status_of(content: Mapping[str, Any]) -> str:
    """The status of a referral or offer. Raises MissingElement where only an extension stands for it."""
    if "status" not in content:
        raise MissingElement(
            "What the hub moves needs its status itself.", f"{content['resourceType']}.status"
        )
    return str(content["status"])


def is_submitted(status: str) -> bool:
    """Whether a referral created with this status is submitted (`active`) or kept as a draft (`draft`).

    Raises BrokenRule for any other status: a referral starts its life here, not elsewhere.
    """
    if status not in {"active", "draft"}:
        raise BrokenRule(f"A referral is created as draft or active, not {status}.", "ServiceRequest.status")
    return status == "active"


def referral_move(stored: ReferralState, status: str) -> ReferralMove | None:
    """The move that an update of a referral's ServiceRequest asks for by its status; None for none.

    The hub owns the status: what is neither `active` on a draft, nor `revoked`, nor `entered-in-error`
    is a stale value that changes nothing.
    """
    if status == REFERRAL_STATUS[stored]:
        return None
    draft = stored is ReferralState.DRAFT
    match status:
        case "active" if draft:
            return ReferralMove.SUBMIT
        case "revoked":
            return ReferralMove.CANCEL
        case "entered-in-error":
            return ReferralMove.DISCARD if draft else ReferralMove.MARK_ERROR
        case _:
            return None


def _check_words(status: str, business: str | None) -> None:
    if status in _UNUSED_TASK_STATUSES:
        raise BrokenRule(f"An offer never has the status {status}.", "Task.status")
    if status not in _BY_STATUS_ALONE:
        raise UnknownCode(f"{status} is not a status of a Task.", "Task.status")
    if business is not None and business not in _BUSINESS_CODES:
        raise UnknownCode(f"{business} is not a code of offer-status.", "Task.businessStatus")
