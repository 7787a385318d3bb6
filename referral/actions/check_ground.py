"""The ground of a referral: one of those that its network knows."""

from collections.abc import Iterator, Mapping
from typing import Any

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.domain.errors import BrokenRule
from referral.domain.referral import Referral
from referral.fhir.systems import REFERRAL_GROUND_EXTENSION


def check_ground(
    workspace: Workspace, draft: Draft, referral: Referral, before: Mapping[str, Any] | None
) -> None:
    """Raises BrokenRule for a new ground that the insurer of the network has no code for.

    before: the referral as it was; a ground that it had stays, whatever the policy says since.
    """
    rules = workspace.rules(referral)
    known = rules.policy.grounds(rules.on)
    kept = {ground for _, ground in _grounds(before or {})}
    for position, ground in _grounds(draft.content):
        if known is not None and ground not in known and ground not in kept:
            text = (
                f"In the network {referral.network} the ground of a referral is one of: {', '.join(known)}."
            )
            raise BrokenRule(text, draft.at(f"extension[{position}].value"))


def _grounds(content: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for position, extension in enumerate(content.get("extension", ())):
        if extension.get("url") == REFERRAL_GROUND_EXTENSION and "valueCode" in extension:
            yield position, extension["valueCode"]
