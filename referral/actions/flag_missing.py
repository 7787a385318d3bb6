"""Tell a sender what the package of a referral lacks of what its network asks for. It stops nobody."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from referral.actions.workspace import Workspace
from referral.domain.codes import Direction
from referral.domain.lifecycle import ReferralState
from referral.domain.package import missing_items
from referral.domain.policy import Policy
from referral.domain.policy_rules import Item
from referral.domain.referral import Referral
from referral.fhir.content import read_content
from referral.fhir.package import package_links
from referral.fhir.package_items import Codes, codes_of, items_there, missing_text
from referral.fhir.referral import priority_of, specialty_of
from referral.fhir.suggestion import age_on
from referral.store.package import read_brought
from referral.store.pool import Store
from referral.store.standing import ReferralStanding

_BEFORE_CARE = {ReferralState.UNPLACED, ReferralState.OFFERED}


def flag_missing(workspace: Workspace, content: Mapping[str, Any], referral: Referral) -> None:
    """Note what is missing, for the answer to the write. content: the request as it is written."""
    rules = workspace.rules(referral)
    if not rules.policy.required or referral.state not in _BEFORE_CARE:
        return
    named = []
    for key in package_links("ServiceRequest", content, workspace.base, workspace.resolve):
        entry, stored = workspace.pending.get(key), workspace.loaded.references.get(key)
        if entry is not None:
            named.append((key[0], codes_of(entry.content)))
        elif stored is not None and stored.visible:
            named.append((key[0], stored.codes))
    age = _age(workspace, referral.patient, rules.on)
    missing = _missing(rules.policy, rules.on, referral.direction, content, named, age=age)
    if missing:
        workspace.note(("ServiceRequest", referral.id), missing_text(missing))


async def read_missing(
    store: Store, standing: ReferralStanding, policy: Policy, on: date
) -> tuple[Item, ...]:
    """What a stored referral lacks, as its sender sees it. on: the day whose rules hold."""
    if not policy.required:
        return ()
    brought = await read_brought(store, standing.sender, standing.id)
    if brought is None:
        return ()
    age = None if brought.born is None else _age_of(brought.born, on)
    content = read_content(brought.content.encode())
    return _missing(policy, on, standing.direction, content, brought.named, age=age)


def _missing(
    policy: Policy,
    on: date,
    direction: Direction,
    content: Mapping[str, Any],
    named: Iterable[tuple[str, Codes]],
    *,
    age: int | None,
) -> tuple[Item, ...]:
    needed = policy.required_items(direction, priority_of(content), specialty_of(content), on, age=age)
    return missing_items(needed, items_there(content, named))


def _age_of(born: datetime, on: date) -> int:
    return age_on(born.astimezone(UTC).date().isoformat(), on)


def _age(workspace: Workspace, patient: str, on: date) -> int | None:
    entry = workspace.pending.get(("Patient", patient))
    if entry is not None:
        return age_on(entry.content["birthDate"], on) if "birthDate" in entry.content else None
    stored = workspace.loaded.references.get(("Patient", patient))
    born = stored.born if stored is not None else None
    return None if born is None else _age_of(born, on)
