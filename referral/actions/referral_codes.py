"""What a referral is for, and why: the codes that the lists of a policy may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from referral.fhir.package_items import codes_of
from referral.fhir.referral import codes_said, conditions_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from referral.actions.workspace import Workspace
    from referral.domain.policy_rules import Code


def codes_in_hand(workspace: Workspace, content: Mapping[str, Any]) -> frozenset[Code]:
    """The codes of a ServiceRequest and of the Conditions that are its reason, as far as the actor sees them.

    Of the stored ones those that were loaded: what the transaction names, and those of an offer that ends.
    """
    found = set(codes_said(content))
    for name in conditions_named(content, workspace.base, workspace.resolve):
        key = ("Condition", name)
        entry, stored = workspace.pending.get(key), workspace.loaded.references.get(key)
        if entry is not None:
            found |= set(codes_of(entry.content))
        elif stored is not None and stored.visible:
            found |= stored.codes
    return frozenset(found)
