"""The resource types that the service stores."""

from typing import Final

from referral.domain.visibility import CLINICAL, DIRECTORY

__all__ = ["CLINICAL", "DIRECTORY", "SUPPORTED"]

SUPPORTED: Final = CLINICAL | DIRECTORY
