"""From a reference in a draft to what it stands for; unknown and not visible give one and the same answer."""

from collections.abc import Mapping
from typing import Any

from referral.actions.workspace import Known, Workspace
from referral.domain.errors import BrokenRule
from referral.fhir.references import Key, target_of


def require_known(workspace: Workspace, reference: Mapping[str, Any], expression: str) -> tuple[Key, Known]:
    """Key and facts of a resource that the actor may name. Raises BrokenRule."""
    key = target_of(reference, workspace.base, workspace.resolve)
    known = workspace.known(*key) if key is not None else None
    if key is None or known is None:
        raise BrokenRule("This reference names nothing that is known to you here.", expression)
    return key, known


def require_patient(workspace: Workspace, reference: Mapping[str, Any], expression: str) -> str:
    """Id of the Patient that is named. Raises BrokenRule when it is unknown, or no Patient."""
    key, _ = require_known(workspace, reference, expression)
    if key[0] != "Patient":
        raise BrokenRule("This reference must name a Patient.", expression)
    return key[1]


def named_facility(workspace: Workspace, reference: Mapping[str, Any], expression: str) -> str | None:
    """Id of the facility that an Organization, service or role stands for; None for what has no facility.

    Raises BrokenRule when the reference names nothing known.
    """
    (resource_type, resource_id), known = require_known(workspace, reference, expression)
    match resource_type:
        case "Organization":
            return resource_id
        case "HealthcareService" | "Practitioner":
            return known.owner
        case "PractitionerRole":
            return known.organization or known.owner
        case _:
            return None
