"""Record a patient, or clinical data about one: the author's facility owns it."""

from collections.abc import Mapping
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.name_facility import require_known
from referral.actions.stands_already import stands_already
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule, Forbidden, IdNotAllowed, NeverChanged
from referral.domain.lifecycle import OfferState
from referral.fhir.communication import is_said
from referral.fhir.package import subjects
from referral.fhir.provenance import PREFIX
from referral.fhir.references import Key, identifier_of, references_at, target_of
from referral.fhir.resources import TOLD_ONCE

# Where it says whom it is about, something else may stand.
_OF_OTHERS_TOO: Final = frozenset({"Appointment", "Binary"})


def plan_clinical(workspace: Workspace, draft: Draft) -> Key:
    """Plan the create or update of a clinical resource that is no referral and no offer.

    Raises BrokenRule when the patient is unknown or changes, Forbidden when another facility wrote it,
    NeverChanged for the update of a Provenance, IdNotAllowed for one that would look as the hub's own.
    """
    before = workspace.loaded.documents.get(draft.key)
    if before is not None and before.owner != workspace.actor.facility:
        raise Forbidden("Only the facility that wrote this resource may change it.")
    if before is not None and draft.type in TOLD_ONCE:
        raise NeverChanged(f"A {draft.type} says what happened, and is never changed: write another one.")
    if before is None and draft.type == "Provenance" and draft.id.startswith(PREFIX):
        raise IdNotAllowed("The hub tells moves under ids of this form: POST it without an id.")
    stored = (workspace.current(*draft.key) or {}) if before is not None else {}
    _check_patient(workspace, draft, stored)
    if stands_already(workspace, draft):
        return draft.key
    workspace.put(draft.type, draft.id, draft.content, workspace.actor.facility)
    workspace.tell(draft.key, "update" if before else "create")
    if draft.type == "Communication":
        _share_communication(workspace, draft, stored)
    return draft.key


def _check_patient(workspace: Workspace, draft: Draft, stored: Mapping[str, Any]) -> None:
    """Whom it is about is known to the actor, and does not change. stored: what it said until now.

    Who lost sight of the patient still corrects what it wrote: a reference that stays tells it nothing.
    """
    known, tombstone = workspace.loaded.references.get(draft.key), workspace.tombstone(draft.key)
    about = tombstone or known
    before = about.patient if about is not None else None
    named = [reference for _, reference in subjects(draft.type, draft.content)]
    logical = [identifier for reference in named if (identifier := identifier_of(reference))]
    told = [reference for _, reference in subjects(draft.type, stored)]
    same = [_as_said(workspace, one) for one in named] == [_as_said(workspace, one) for one in told]
    # Of several identifiers nobody can say which one stood for the patient.
    if before is not None and tombstone is None and same and (len(named) == 1 or not logical):
        # Also where the patient has another identifier since, or somebody else has this one.
        workspace.standing[draft.key] = dict.fromkeys(logical, ("Patient", before))
        return
    patient, named_at = _patient(workspace, draft)
    if draft.type != "Patient" and before not in {None, patient}:
        raise BrokenRule(
            "The patient of a record does not change; mark it entered-in-error and write a new one.",
            draft.at(named_at or "subject"),
        )


def _as_said(workspace: Workspace, reference: Mapping[str, Any]) -> object:
    """What makes two references the same whatever is stored: `Patient/x` is `<base>/Patient/x`."""
    literal = {name: value for name, value in reference.items() if name == "reference"}
    return target_of(literal, workspace.base, lambda _system, _value: None) or reference


def _patient(workspace: Workspace, draft: Draft) -> tuple[str | None, str | None]:
    """Id of the one Patient that the draft is about, and where it is named. Raises BrokenRule.

    What it is about must be known: what else an Appointment names, or a Binary, is not.
    """
    patients: dict[str, str] = {}
    for path, reference in subjects(draft.type, draft.content):
        target = target_of(reference, workspace.base, workspace.resolve)
        if draft.type in _OF_OTHERS_TOO and (target is None or target[0] != "Patient"):
            continue
        (kind, name), _ = require_known(workspace, reference, draft.at(path))
        if kind == "Patient":
            patients.setdefault(name, path)
    return next(iter(patients.items())) if len(patients) == 1 else (None, None)


def _share_communication(workspace: Workspace, draft: Draft, stored: Mapping[str, Any]) -> None:
    """What is said about a referral is heard by its sender and by who has, or had, the patient in care.

    What is only drafted is its author's.

    stored: what it said until now.
    """
    for element in ("basedOn", "partOf"):
        for path, reference in references_at(draft.content, element):
            target = target_of(reference, workspace.base, workspace.resolve)
            if target is None or target[0] not in {"ServiceRequest", "Task"}:
                continue
            if workspace.known(*target) is None and reference in stored.get(element, ()):
                continue
            require_known(workspace, reference, draft.at(path))
            offer = workspace.offer(target[1])
            referral = workspace.referral(offer.referral if offer else target[1])
            if referral is None or not is_said(draft.content):
                continue
            heard = {referral.sender} | {
                found.owner
                for found in workspace.offers_of(referral.id)
                if found.is_open or found.state in {OfferState.COMPLETED, OfferState.CLOSED}
            }
            for facility in heard - {workspace.actor.facility}:
                workspace.grant(facility, *draft.key, AccessScope.REFERRAL, via=referral.id)
