"""A visit is one that can be kept, and on a day on which the slip is valid: else it is refused, or told."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.domain.deadlines import Slot
from referral.domain.errors import BrokenRule, MissingElement
from referral.domain.referral import Offer, Referral
from referral.fhir.intervals import interval
from referral.fhir.offer import output_reference
from referral.fhir.references import Key, target_of
from referral.store.pool import Connection
from referral.store.standing import visits_by

_WRITTEN_LATE: Final = timedelta(days=1)
"""What was agreed on the telephone may be written down when the patient is there."""

# https://hl7.org/fhir/R4/valueset-appointmentstatus.html
_TO_COME: Final = frozenset({"proposed", "pending", "booked", "arrived", "checked-in", "waitlist"})
_VISITS: Final = frozenset({"Appointment", "Slot"})
_NOT_KEPT: Final = frozenset({"cancelled", "noshow", "entered-in-error"})


def check_visit(
    workspace: Workspace,
    content: Mapping[str, Any],
    before: Mapping[str, Any],
    referral: Referral,
    offer: Offer,
) -> None:
    """Note a visit after the slip in the answer to the write; it stands all the same.

    before: the Task until now. Raises BrokenRule for a visit that was over a day ago, or that nobody will
    keep; MissingElement for one without a time.
    """
    named = output_reference(content, "appointment")
    key = target_of(named, workspace.base, workspace.resolve)
    # What nobody here can read is told of where it is given.
    known = key is not None and key[0] in _VISITS and workspace.known(*key) is not None
    period = content.get("executionPeriod", {})
    set_anew = period != before.get("executionPeriod", {})
    said = interval(period["start"]).low if "start" in period else None
    starts = said
    if key is not None and known and (not set_anew or named != output_reference(before, "appointment")):
        status, its_start = _appointment(workspace, key)
        if key[0] == "Appointment" and status not in _TO_COME:
            raise BrokenRule(f"This Appointment is {status}: nobody comes to it.", "Task.output")
        _check_time(workspace, its_start, "Task.output")
        starts = said if set_anew and said is not None else its_start or said
        if starts is None:
            raise MissingElement("An Appointment without a start needs executionPeriod.", "Task.output")
    _check_time(workspace, starts, "Task.executionPeriod")
    _tell_of_slip(workspace, starts, referral, offer)


def _check_time(workspace: Workspace, starts: datetime | None, expression: str) -> None:
    if starts is not None and starts < workspace.now - _WRITTEN_LATE:
        raise BrokenRule("This visit lies more than a day in the past.", expression)


def _appointment(workspace: Workspace, key: Key) -> tuple[str | None, datetime | None]:
    """Status and start of an Appointment or a Slot, as it is here or comes in this transaction."""
    if key in workspace.pending:
        content = workspace.pending[key].content
        start = content.get("start")
        return content.get("status"), interval(start).low if isinstance(start, str) else None
    found = workspace.loaded.references.get(key)
    return (found.status, found.starts) if found is not None else (None, None)


def _tell_of_slip(workspace: Workspace, starts: datetime | None, referral: Referral, offer: Offer) -> None:
    stored = workspace.loaded.referrals.get(referral.id)
    slip = stored.deadlines.get(Slot.SLIP) if stored is not None else None
    if slip is None or slip.escalate_at is None or starts is None or starts < slip.escalate_at:
        return
    last_day = workspace.rules(referral).calendar.day_of(slip.escalate_at - timedelta(seconds=1))
    workspace.note(
        ("Task", offer.id), f"The visit is after the validity of the slip, which ends on {last_day}."
    )


async def tell_of_visits(connection: Connection, workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Note in the answer that an offer still names the appointment that nobody will keep any more.

    The offer stays as it is: what comes instead only its receiver knows.
    """
    over = {
        draft.id: draft
        for draft in drafts
        if draft.type == "Appointment" and not draft.is_create and draft.content.get("status") in _NOT_KEPT
    }
    if not over:
        return
    for offer, appointment in await visits_by(connection, workspace.actor.facility, over):
        if offer not in workspace.offers:
            workspace.note(
                over[appointment].key,
                f"Task/{offer} still says visit-scheduled by this appointment. Schedule another visit there,"
                " set its businessStatus to no-show, or reject it.",
            )
