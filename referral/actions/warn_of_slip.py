"""Tell a receiver that the visit is on a day on which the slip of the referral is not valid any more."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from referral.actions.workspace import Workspace
from referral.domain.deadlines import Slot
from referral.domain.referral import Offer, Referral
from referral.fhir.intervals import interval
from referral.fhir.offer import output_reference
from referral.fhir.references import target_of


def warn_of_slip(
    workspace: Workspace,
    content: Mapping[str, Any],
    before: Mapping[str, Any],
    referral: Referral,
    offer: Offer,
) -> None:
    """Note it in the answer to the write; the visit stands all the same. before: the Task until now."""
    stored = workspace.loaded.referrals.get(referral.id)
    slip = stored.deadlines.get(Slot.SLIP) if stored is not None else None
    starts = _starts(workspace, content, before)
    if slip is None or slip.escalate_at is None or starts is None or starts < slip.escalate_at:
        return
    last_day = workspace.rules(referral).calendar.day_of(slip.escalate_at - timedelta(seconds=1))
    workspace.note(
        ("Task", offer.id), f"The visit is after the validity of the slip, which ends on {last_day}."
    )


def _starts(workspace: Workspace, content: Mapping[str, Any], before: Mapping[str, Any]) -> datetime | None:
    """When the visit begins: by the time that is new, else by the appointment."""
    period = content.get("executionPeriod", {})
    if "start" in period and period != before.get("executionPeriod"):
        return interval(period["start"]).low
    key = target_of(output_reference(content, "appointment"), workspace.base, workspace.resolve)
    if key is None:
        return None
    if key in workspace.pending:
        start = workspace.pending[key].content.get("start")
        return interval(start).low if isinstance(start, str) else None
    found = workspace.loaded.references.get(key)
    return found.starts if found is not None else None
