"""Take what comes back when care ends: a summary that says what the next ones need to know."""

from collections.abc import Mapping
from typing import Any, Final

from referral.actions.give_output import give
from referral.actions.name_facility import require_known
from referral.actions.workspace import Workspace
from referral.domain.errors import BrokenRule, Problem
from referral.domain.referral import Referral
from referral.fhir.offer import output_reference
from referral.fhir.profile_rules import summary_faults

_PLACE: Final = "Task.output"
SUMMARY_TYPES: Final = frozenset({"Composition", "DocumentReference"})
"""What a summary may be."""

# It tells how it ended: what is still being written does not.
_UNFINISHED: Final = frozenset({"preliminary", "entered-in-error", "superseded"})


def take_summary(
    workspace: Workspace, content: Mapping[str, Any], referral: Referral
) -> Mapping[str, Any] | None:
    """Check the summary that a completed Task names, and let the senders of the journey read it.

    Returns the reference; None where the Task names none. Raises BrokenRule where it is unknown, of another
    patient, not finished or not as its profile says.
    """
    summary = output_reference(content, "summary")
    if summary is None:
        return None
    key, known = require_known(workspace, summary, _PLACE)
    if key[0] not in SUMMARY_TYPES:
        raise BrokenRule("A summary is a DocumentReference or a Composition.", _PLACE)
    if known.patient != referral.patient:
        raise BrokenRule("The summary must be about the patient of the referral.", _PLACE)
    _check(workspace.current(*key))
    give(workspace, referral, key, known, {referral.sender} | workspace.journey_senders(referral))
    return summary


def why_no_summary(content: Mapping[str, Any]) -> list[str]:
    """What stands against taking a document as a summary: it is not finished, or does not say enough."""
    if _UNFINISHED & {content.get("status"), content.get("docStatus")}:
        return ["The summary is not finished, or holds no longer."]
    return [f"The summary is incomplete. {text}" for _, text, _ in summary_faults(content)]


def _check(summary: Mapping[str, Any] | None) -> None:
    if not summary:
        # Looked up by something else than its id, it is known, and not read.
        raise BrokenRule("Name the summary by its type and id.", _PLACE)
    problems = [Problem(text, _PLACE) for text in why_no_summary(summary)]
    if problems:
        raise BrokenRule(problems)
