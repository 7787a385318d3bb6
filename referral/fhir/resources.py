"""The resource types that the service has: those that it stores, and those that it tells of itself."""

from collections.abc import Mapping
from typing import Final

from referral.domain.errors import NotSupported, ReadOnly
from referral.domain.visibility import CLINICAL, DEFINITIONS, DIRECTORY

__all__ = ["AUDIT_EVENT", "CLINICAL", "DEFINITIONS", "DIRECTORY", "STORED", "SUPPORTED", "TOLD_ONCE"]

AUDIT_EVENT: Final = "AuditEvent"

STORED: Final = CLINICAL | DIRECTORY
"""Types that others write."""

SUPPORTED: Final = STORED | DEFINITIONS | {AUDIT_EVENT}
"""All types; those that are not stored are read and searched alone."""

TOLD_ONCE: Final = frozenset({"Provenance"})
"""Types that say what happened: nothing of them is ever changed or deleted."""

# What is asked for in vain, and what to do instead.
_INSTEAD: Final[Mapping[str, str]] = {
    "Subscription": "Nothing is delivered yet: ask for what has changed, GET Task/_history?_since=...",
}


def check_type(resource_type: str, expression: str | None = None) -> None:
    """Raises NotSupported, naming a type that the service has not. expression: its place in a Bundle."""
    if resource_type not in SUPPORTED:
        text = f"The resource type {resource_type[:64]!r} is not supported here."
        raise NotSupported(f"{text} {_INSTEAD.get(resource_type, '')}".rstrip(), expression)


def check_versioned(resource_type: str) -> None:
    """Raises NotSupported for a type that has no versions here, too."""
    check_type(resource_type)
    if resource_type not in STORED:
        raise NotSupported(f"There is one version of a {resource_type} here: it is read and searched alone.")


def check_written(resource_type: str, expression: str | None = None) -> None:
    """Raises NotSupported; ReadOnly for what the service alone tells."""
    check_type(resource_type, expression)
    if resource_type == AUDIT_EVENT:
        raise ReadOnly(
            "The service itself records what is done: an AuditEvent is read and searched.", expression
        )
    if resource_type in DEFINITIONS:
        text = (
            f"A {resource_type} is published with the service and changes with it: it is read and searched."
        )
        raise ReadOnly(text, expression)
