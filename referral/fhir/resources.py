"""The resource types that the service stores."""

from typing import Final

from referral.domain.visibility import CLINICAL, DIRECTORY

__all__ = ["CLINICAL", "DIRECTORY", "SUPPORTED", "TOLD_ONCE"]

SUPPORTED: Final = CLINICAL | DIRECTORY

TOLD_ONCE: Final = frozenset({"AuditEvent", "Provenance"})
"""Types that say what happened: nothing of them is ever changed or deleted."""
