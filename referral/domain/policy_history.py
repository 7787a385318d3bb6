"""The versions of a network's policy, of which one holds on each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol, TypeVar

from referral.domain.errors import PolicyUnreadable
from referral.domain.policy import Policy
from referral.domain.policy_reader import Fault, PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from referral.domain.policy_reader import Table


class Version(Protocol):
    """Whatever holds from a day on."""

    @property
    def number(self) -> int:
        """Of two from the same day the later one counts."""

    @property
    def valid_from(self) -> date | None:
        """None: since ever."""


AnyVersion = TypeVar("AnyVersion", bound=Version)


def holding(versions: Iterable[AnyVersion], day: date) -> AnyVersion:
    """Give the one of at least one version that holds on a day; the first one holds before its day too."""
    first, *later = sorted(versions, key=lambda one: (one.valid_from or date.min, one.number))
    begun = [one for one in later if one.valid_from is None or one.valid_from <= day]
    return begun[-1] if begun else first


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy that holds from a day until that of the next; the first one holds before its day too."""

    number: int
    valid_from: date | None
    policy: Policy


@dataclass(frozen=True, slots=True)
class UnreadVersion:
    """One that was stored and cannot be read, such as that of a later version of this program."""

    number: int
    valid_from: date | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class PolicyHistory:
    """All versions of one network, at least one. Of two from the same day the later one counts.

    unread: those that cannot be read; on their days nobody knows what holds.
    """

    versions: tuple[PolicyVersion, ...]
    unread: tuple[UnreadVersion, ...] = ()

    @classmethod
    def of(cls, policy: Policy) -> PolicyHistory:
        """Give the history of a network that has always had one policy."""
        return cls((PolicyVersion(1, None, policy),))

    @classmethod
    def from_stored(cls, stored: Iterable[tuple[int, date | None, Table]]) -> PolicyHistory:
        """Read what was stored: numbers, days and mappings, of at least one version."""
        versions: list[PolicyVersion] = []
        unread: list[UnreadVersion] = []
        for number, valid_from, mapping in stored:
            try:
                versions.append(PolicyVersion(number, valid_from, Policy.from_stored(mapping)))
            except PolicyError as error:
                unread.append(UnreadVersion(number, valid_from, error.faults))
        return cls(tuple(versions), tuple(unread))

    def version_on(self, day: date) -> PolicyVersion:
        """Give the version that holds on a day. Raises PolicyUnreadable where that is one of `unread`."""
        found = self._holding(day)
        if isinstance(found, UnreadVersion):
            text = f"Version {found.number} of the policy, which holds on {day}, is one that this version of"
            raise PolicyUnreadable(f"{text} the service cannot read. Another has to be put in force.")
        return found

    def number_on(self, day: date) -> int:
        """Give the number of the version that holds on a day, be it readable or not."""
        return self._holding(day).number

    def _holding(self, day: date) -> PolicyVersion | UnreadVersion:
        known: list[PolicyVersion | UnreadVersion] = [*self.versions, *self.unread]
        return holding(known, day)

    def on(self, day: date) -> Policy:
        """Give the policy that holds on a day. Raises as `version_on` does."""
        return self.version_on(day).policy
