"""A visit is still to come, and on a day on which the slip is valid: else it is refused, or told."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from referral.actions.workspace import Workspace
from referral.domain.deadlines import Slot
from referral.domain.errors import BrokenRule
from referral.domain.referral import Offer, Referral
from referral.fhir.intervals import interval
from referral.fhir.offer import output_reference
from referral.fhir.references import target_of

_WRITTEN_LATE: Final = timedelta(days=1)
"""What was agreed on the telephone may be written down when the patient is there."""


def check_visit(
    workspace: Workspace,
    content: Mapping[str, Any],
    before: Mapping[str, Any],
    referral: Referral,
    offer: Offer,
) -> None:
    """Note a visit after the slip in the answer to the write; it stands all the same.

    before: the Task until now. Raises BrokenRule for a visit that was over a day ago.
    """
    starts = _starts(workspace, content, before)
    if starts is not None and starts < workspace.now - _WRITTEN_LATE:
        raise BrokenRule("This visit lies more than a day in the past.", "Task.executionPeriod")
    stored = workspace.loaded.referrals.get(referral.id)
    slip = stored.deadlines.get(Slot.SLIP) if stored is not None else None
    if slip is None or slip.escalate_at is None or starts is None or starts < slip.escalate_at:
        return
    last_day = workspace.rules(referral).calendar.day_of(slip.escalate_at - timedelta(seconds=1))
    workspace.note(
        ("Task", offer.id), f"The visit is after the validity of the slip, which ends on {last_day}."
    )


def _starts(workspace: Workspace, content: Mapping[str, Any], before: Mapping[str, Any]) -> datetime | None:
    """When the visit begins: by the time that is new, else by the appointment, else by what stood."""
    period = content.get("executionPeriod", {})
    said = interval(period["start"]).low if "start" in period else None
    key = target_of(output_reference(content, "appointment"), workspace.base, workspace.resolve)
    if key is None or period != before.get("executionPeriod", {}):
        return said
    if key in workspace.pending:
        start = workspace.pending[key].content.get("start")
        return interval(start).low if isinstance(start, str) else None
    found = workspace.loaded.references.get(key)
    return found.starts if found is not None else None
