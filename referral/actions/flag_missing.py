"""Tell a sender what the package of a referral lacks of what its network asks for. It stops nobody."""

from collections.abc import Mapping
from datetime import UTC, date
from typing import Any

from referral.actions.workspace import Workspace
from referral.domain.lifecycle import ReferralState
from referral.domain.package import missing_items
from referral.domain.referral import Referral
from referral.fhir.package import package_links
from referral.fhir.package_items import codes_of, items_there, missing_text
from referral.fhir.referral import specialty_of
from referral.fhir.suggestion import age_on

_BEFORE_CARE = {ReferralState.UNPLACED, ReferralState.OFFERED}


def flag_missing(workspace: Workspace, content: Mapping[str, Any], referral: Referral) -> None:
    """Note what is missing, for the answer to the write. content: the request as it is written."""
    rules = workspace.rules(referral)
    if not rules.policy.required or referral.state not in _BEFORE_CARE:
        return
    needed = rules.policy.required_items(
        referral.direction,
        referral.priority,
        specialty_of(content),
        rules.on,
        age=_age(workspace, referral.patient, rules.on),
    )
    if not needed:
        return
    named = []
    for key in package_links("ServiceRequest", content, workspace.base, workspace.resolve):
        entry, stored = workspace.pending.get(key), workspace.loaded.references.get(key)
        if entry is not None:
            named.append((key[0], codes_of(entry.content)))
        elif stored is not None and stored.visible:
            named.append((key[0], stored.codes))
    missing = missing_items(needed, items_there(content, named))
    if missing:
        workspace.note(("ServiceRequest", referral.id), missing_text(missing))


def _age(workspace: Workspace, patient: str, on: date) -> int | None:
    entry = workspace.pending.get(("Patient", patient))
    if entry is not None:
        return age_on(entry.content["birthDate"], on) if "birthDate" in entry.content else None
    stored = workspace.loaded.references.get(("Patient", patient))
    born = stored.born if stored is not None else None
    return None if born is None else age_on(born.astimezone(UTC).date().isoformat(), on)
