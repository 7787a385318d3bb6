"""The versions of a network's policy, of which one holds on each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from referral.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy that holds from a day until that of the next; the first one holds before its day too."""

    number: int
    valid_from: date | None
    policy: Policy


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """All versions of one network, at least one. Of two from the same day the later one counts."""

    versions: tuple[PolicyVersion, ...]

    @classmethod
    def of(cls, policy: Policy) -> PolicyHistory:
        """Give the history of a network that has always had one policy."""
        return cls((PolicyVersion(1, None, policy),))

    @property
    def in_order(self) -> list[PolicyVersion]:
        """The versions in the order in which they hold."""
        return sorted(self.versions, key=lambda one: (one.valid_from or date.min, one.number))

    def version_on(self, day: date) -> PolicyVersion:
        """Give the version that holds on a day."""
        first, *later = self.in_order
        begun = [one for one in later if one.valid_from is None or one.valid_from <= day]
        return begun[-1] if begun else first

    def on(self, day: date) -> Policy:
        """Give the policy that holds on a day."""
        return self.version_on(day).policy
