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
_TYPES: Final = frozenset({"Composition", "DocumentReference"})
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
    if key[0] not in _TYPES:
        raise BrokenRule("A summary is a DocumentReference or a Composition.", _PLACE)
    if known.patient != referral.patient:
        raise BrokenRule("The summary must be about the patient of the referral.", _PLACE)
    _check(workspace.current(*key))
    give(workspace, referral, key, known, {referral.sender} | workspace.journey_senders(referral))
    return summary


def _check(summary: Mapping[str, Any] | None) -> None:
    if not summary:
        # Looked up by something else than its id, it is known, and not read.
        raise BrokenRule("Name the summary by its type and id.", _PLACE)
    if _UNFINISHED & {summary.get("status"), summary.get("docStatus")}:
        raise BrokenRule("The summary is not finished, or holds no longer.", _PLACE)
    problems = [
        Problem(f"The summary is incomplete. {text}", _PLACE) for _, text, _ in summary_faults(summary)
    ]
    if problems:
        raise BrokenRule(problems)
