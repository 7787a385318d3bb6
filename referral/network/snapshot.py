"""The directory at one version, indexed for questions. Built once, never changed, swapped whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from referral.domain.answer_times import AnswerTimes
from referral.domain.calendar import WorkingCalendar
from referral.domain.errors import NotFound, PolicyUnreadable
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Directory,
    Facility,
    FacilityId,
    Link,
    Membership,
    NetworkId,
    Tier,
)
from referral.domain.patients_sent import PatientsSent
from referral.domain.policy_rules import CalendarRules
from referral.network.capability import Capabilities
from referral.network.places import Places
from referral.network.travel import Ways

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from referral.domain.policy import Policy
    from referral.domain.policy_history import PolicyHistory, UnreadVersion
    from referral.domain.policy_rules import TravelSettings

_OPENING = (AffiliationKind.REFERS_TO, AffiliationKind.GREEN_CHANNEL)
"""Ties by which a sender may refer to a target whatever their tiers."""


def _without_public_holidays(rules: CalendarRules) -> WorkingCalendar:
    return WorkingCalendar(
        weekdays=rules.weekdays, hours=rules.hours, holidays=rules.holidays, extra_days=rules.extra_days
    )


class Snapshot:
    """All networks at one `version`. The Organization id of a network is its own id.

    answers, sent: how long facilities took to answer, and how many patients are sent to them, as it was known
    when that was last looked at; set anew whole.
    """

    def __init__(
        self,
        version: int,
        directory: Directory,
        calendars: Callable[[CalendarRules], WorkingCalendar] = _without_public_holidays,
    ) -> None:
        self.version = version
        self.places = Places(directory.facilities)
        self.capabilities = Capabilities(self.places, directory)
        self.policies: Mapping[NetworkId, PolicyHistory] = dict(directory.policies)
        self.answers, self.sent = AnswerTimes(), PatientsSent()
        self.network_names: Mapping[NetworkId, str] = dict(directory.network_names)
        self._memberships: dict[FacilityId, tuple[Membership, ...]] = {}
        for membership in directory.memberships:
            known = self._memberships.get(membership.facility, ())
            self._memberships[membership.facility] = (*known, membership)
        self._ties: dict[tuple[NetworkId, FacilityId], dict[FacilityId, tuple[Affiliation, ...]]] = {}
        self._recognising: dict[tuple[NetworkId, FacilityId], list[Affiliation]] = {}
        for tie in directory.affiliations:
            if tie.kind in _OPENING:
                target = self.places.facilities[self.places.number[tie.participating]].id
                targets = self._ties.setdefault((tie.network, tie.organization), {})
                targets[target] = (*targets.get(target, ()), tie)
            elif tie.kind is AffiliationKind.RECOGNISES_RESULTS:
                self._recognising.setdefault((tie.network, tie.participating), []).append(tie)
        links: dict[NetworkId, list[Link]] = {network: [] for network in self.policies}
        for link in directory.links:
            links.setdefault(link.network, []).append(link)
        policies = [
            (network, version.policy)
            for network, history in self.policies.items()
            for version in history.versions
        ]
        travels = dict.fromkeys((network, policy.travel) for network, policy in policies)
        self._ways = {
            (network, travel): Ways(self.places, links[network], travel) for network, travel in travels
        }
        self._calendar_rules = frozenset(policy.calendar for _, policy in policies)
        self._make_calendar, self._calendars = calendars, dict[CalendarRules, WorkingCalendar]()

    def facility(self, facility: FacilityId) -> Facility | None:
        """Find a facility by its id."""
        number = self.places.number.get(facility)
        return None if number is None else self.places.facilities[number]

    def networks_of(self, facility: FacilityId, on: date) -> tuple[NetworkId, ...]:
        """Give the networks that the facility is a member of on that day, by id."""
        memberships = self._memberships.get(facility, ())
        return tuple(sorted({membership.network for membership in memberships if membership.in_force(on)}))

    def tier_of(self, network: NetworkId, facility: FacilityId, on: date) -> Tier | None:
        """Give the tier of a facility in a network on that day; None when it is no member."""
        for membership in self._memberships.get(facility, ()):
            if membership.network == network and membership.in_force(on):
                return membership.tier
        return None

    def members(self, network: NetworkId, on: date) -> tuple[FacilityId, ...]:
        """Give the facilities of a network on that day, by id; looks at all of them."""
        found = [member for member in self._memberships if self.tier_of(network, member, on) is not None]
        return tuple(sorted(found))

    def policy(self, network: NetworkId, on: date) -> Policy:
        """Give the policy that a network has on a day.

        Raises PolicyUnreadable where that is one that cannot be read, NotFound for a network that has none.
        """
        history = self.policies.get(network)
        if history is None:
            raise NotFound(f"There is no network {network}.")
        return history.on(on)

    def known_policy(self, network: NetworkId, on: date) -> Policy | None:
        """Give the policy that a network has on a day; None where none is known, or it cannot be read."""
        try:
            return self.policy(network, on)
        except (NotFound, PolicyUnreadable):
            return None

    @property
    def unread(self) -> Mapping[NetworkId, tuple[UnreadVersion, ...]]:
        """The versions of policies that cannot be read, by network."""
        return {network: history.unread for network, history in self.policies.items() if history.unread}

    def calendar(self, network: NetworkId, on: date) -> WorkingCalendar:
        """Give the working calendar that a network has on a day. Raises as `policy` does."""
        rules = self.policy(network, on).calendar
        if rules not in self._calendars:
            self._calendars[rules] = self._make_calendar(rules)
        return self._calendars[rules]

    @property
    def weighs_answers(self) -> bool:
        """Whether a policy goes by how long facilities take to answer."""
        return any(
            version.policy.weights.answer
            for history in self.policies.values()
            for version in history.versions
        )

    @property
    def going_by_waits(self) -> tuple[NetworkId, ...]:
        """The networks that have a policy which goes by how many others are sent to a facility."""
        return tuple(
            network
            for network, history in self.policies.items()
            if any(version.policy.weights.goes_by_waits for version in history.versions)
        )

    def make_calendars(self) -> None:
        """Make what else is made when it is first asked for: the first holidays of a country take time."""
        for rules in self._calendar_rules:
            self._calendars.setdefault(rules, self._make_calendar(rules))

    def ways(self, network: NetworkId, travel: TravelSettings) -> Ways:
        """Give the links of a network, and its estimates as one of its policies makes them."""
        return self._ways[network, travel]

    def ties(self, network: NetworkId, sender: FacilityId) -> Mapping[FacilityId, tuple[Affiliation, ...]]:
        """Give the ties that let the sender refer to a target whatever their tiers, of all dates."""
        return self._ties.get((network, sender), {})

    def recognising(self, network: NetworkId, laboratory: FacilityId) -> Sequence[Affiliation]:
        """Give the ties of those who rely on the results of a facility, of all dates."""
        return self._recognising.get((network, laboratory), ())


def build_snapshot(
    version: int,
    directory: Directory,
    calendars: Callable[[CalendarRules], WorkingCalendar] = _without_public_holidays,
) -> Snapshot:
    """Index a directory. calendars: makes the calendar of a policy, with the holidays of its country.

    Raises KeyError for a row that names a facility that is not in the directory.
    """
    return Snapshot(version, directory, calendars)


class SnapshotHolder:
    """The current snapshot of the process; assignment is atomic, so readers take no lock.

    swapped_at, confirmed_at: when it was put in place, and when it was last known to be the stored version;
    seconds of the monotonic clock, which no correction of the host's time turns back.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._current = snapshot or build_snapshot(0, Directory())
        self.swapped_at = self.confirmed_at = time.monotonic()

    @property
    def current(self) -> Snapshot:
        """The newest snapshot; take it once per request, so that one answer rests on one version."""
        return self._current

    def swap(self, snapshot: Snapshot) -> bool:
        """Put a snapshot in place, unless a newer one is there already; tell whether it was put."""
        if snapshot.version < self._current.version:
            return False
        self._current = snapshot
        self.swapped_at = self.confirmed_at = time.monotonic()
        return True

    def confirm(self) -> None:
        """Remember that the current snapshot is the stored version now."""
        self.confirmed_at = time.monotonic()
