"""Record a patient, or clinical data about one: the author's facility owns it."""

from collections.abc import Mapping
from typing import Any

from referral.actions.name_facility import require_known, require_patient
from referral.actions.workspace import Draft, Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule, Forbidden
from referral.domain.lifecycle import OfferState
from referral.fhir.package import patient_element
from referral.fhir.references import Key, identifier_of, references_at, target_of


def plan_clinical(workspace: Workspace, draft: Draft) -> Key:
    """Plan the create or update of a clinical resource that is no referral and no offer.

    Raises BrokenRule when the patient is unknown or changes, Forbidden when another facility wrote it.
    """
    before = workspace.loaded.documents.get(draft.key)
    if before is not None and before.owner != workspace.actor.facility:
        raise Forbidden("Only the facility that wrote this resource may change it.")
    stored = (workspace.current(*draft.key) or {}) if before is not None else {}
    _check_patient(workspace, draft, stored)
    workspace.put(draft.type, draft.id, draft.content, workspace.actor.facility)
    workspace.tell(draft.key, "update" if before else "create")
    if draft.type == "Communication":
        _share_communication(workspace, draft, stored)
    return draft.key


def _check_patient(workspace: Workspace, draft: Draft, stored: Mapping[str, Any]) -> None:
    """Whom it is about is known to the actor, and does not change. stored: what it said until now.

    Who lost sight of the patient still corrects what it wrote: a reference that stays tells it nothing.
    """
    element = patient_element(draft.type)
    if element is None:
        return
    known = workspace.loaded.references.get(draft.key)
    before = known.patient if known is not None else None
    sent = draft.content.get(element)
    if before is not None and sent == stored.get(element):
        # Also where the patient has another identifier since, or somebody else has this one.
        if sent is not None and (logical := identifier_of(sent)):
            workspace.standing[draft.key] = {logical: ("Patient", before)}
        return
    patient = require_patient(workspace, sent, draft.at(element)) if sent is not None else None
    if before not in {None, patient}:
        raise BrokenRule(
            "The patient of a record does not change; mark it entered-in-error and write a new one.",
            draft.at(element),
        )


def _share_communication(workspace: Workspace, draft: Draft, stored: Mapping[str, Any]) -> None:
    """What is said about a referral is heard by its sender and by who has, or had, the patient in care.

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
            if referral is None:
                continue
            heard = {referral.sender} | {
                found.owner
                for found in workspace.offers_of(referral.id)
                if found.is_open or found.state in {OfferState.COMPLETED, OfferState.CLOSED}
            }
            for facility in heard - {workspace.actor.facility}:
                workspace.grant(facility, *draft.key, AccessScope.REFERRAL, via=referral.id)
