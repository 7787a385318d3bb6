"""Give what an offer brings to who sent the patient: reports, appointments, what comes back at the end."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from referral.actions.name_facility import require_known
from referral.actions.workspace import Known, Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule
from referral.domain.referral import Referral
from referral.fhir import systems
from referral.fhir.elements import code_of
from referral.fhir.offer import named_parts
from referral.fhir.references import Key, target_of
from referral.fhir.resources import CLINICAL

# The summary is given as care ends, to the whole journey.
_GIVEN: Final = frozenset({"appointment", "preliminary"})
_VISITS: Final = frozenset({"Appointment", "Slot"})


def give_outputs(
    workspace: Workspace, referral: Referral, before: Mapping[str, Any], content: Mapping[str, Any]
) -> None:
    """Let the sender of a referral read the reports and appointments that the Task of its offer names now.

    before: the Task as it was. What stands elsewhere is kept as sent. Raises BrokenRule for what its receiver
    does not see, what is about another patient, an `appointment` that is none or that nobody here can read,
    and a `preliminary` that refers to nothing.
    """
    for position, part in enumerate(content.get("output", ())):
        name = code_of(part.get("type"), systems.TASK_OUTPUT)
        if part in before.get("output", ()) or name not in _GIVEN:
            continue
        reference, place = part.get("valueReference", {}), f"Task.output[{position}].valueReference"
        target = target_of(reference, workspace.base, workspace.resolve)
        if name == "preliminary" and not {"reference", "identifier"} & reference.keys():
            raise BrokenRule("A preliminary report is a valueReference to it.", place)
        if target is None and name == "appointment" and not _says_when_and_where(content):
            raise BrokenRule("A visit that is not known here needs executionPeriod and place besides.", place)
        if target is None:
            continue
        if name == "appointment" and target[0] not in _VISITS:
            raise BrokenRule("A visit is an Appointment or a Slot.", place)
        if target[0] not in CLINICAL | {"Slot"}:
            continue
        key, known = require_known(workspace, reference, place)
        if target[0] == "Slot":
            # It is of the directory, which its sender reads anyway.
            continue
        if name == "appointment" and known.patient is None and known.owner == workspace.actor.facility:
            # Who made it need not have said for whom.
            workspace.grant(referral.sender, *key, AccessScope.PACKAGE, via=referral.id)
            continue
        if known.patient != referral.patient:
            raise BrokenRule("What is given back must be about the patient of the referral.", place)
        give(workspace, referral, key, known, {referral.sender})


def _says_when_and_where(content: Mapping[str, Any]) -> bool:
    place = named_parts(content, "output").get("place", {})
    return "start" in content.get("executionPeriod", {}) and "valueString" in place


def give(
    workspace: Workspace, referral: Referral, key: Key, known: Known, facilities: Collection[str]
) -> None:
    """Let facilities read a resource about the patient of a referral, with what it is made of."""
    for facility in sorted(set(facilities) - {known.owner}):
        workspace.changes.given.append(
            (referral.id, facility, workspace.actor.facility, referral.patient, workspace.now, *key)
        )
