"""Show a sender what a move of the receiver brings: a visit, a preliminary report."""

from collections.abc import Mapping
from typing import Any, Final

from referral.actions.name_facility import require_known
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule
from referral.domain.referral import Offer
from referral.domain.visibility import CLINICAL
from referral.fhir.offer import output_reference

_PLACE: Final = "Task.output"
_VISITS: Final = frozenset({"Appointment", "Slot"})


def show_to_sender(workspace: Workspace, content: Mapping[str, Any], name: str, offer: Offer) -> None:
    """Let the sender see what the output of this name refers to, if there is one.

    Raises BrokenRule where that is unknown, about another patient, or no `appointment` can be such a thing.
    """
    found = output_reference(content, name)
    if found is None:
        return
    key, known = require_known(workspace, found, _PLACE)
    if name == "appointment" and key[0] not in _VISITS:
        raise BrokenRule("A visit is an Appointment or a Slot.", _PLACE)
    if key[0] not in CLINICAL:
        # A Slot is of the directory.
        return
    if known.patient not in ({offer.patient, None} if name == "appointment" else {offer.patient}):
        raise BrokenRule(f"The {name} must be about the patient of the referral.", _PLACE)
    if known.owner == workspace.actor.facility:
        workspace.grant(offer.requester, *key, AccessScope.PACKAGE, via=offer.referral)
