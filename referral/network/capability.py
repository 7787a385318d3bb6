"""Who can do what: for each need of each network, the active facilities that may serve it on some day."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date

from referral.domain.facility import (
    Approval,
    Directory,
    FacilityId,
    Level,
    NetworkId,
    Service,
    ServiceId,
    Tier,
    in_force,
)
from referral.domain.suggestion import Need
from referral.network.places import Places

Key = tuple[str, ...]
"""(list, code) of a technique, (code,) of a specialty, () for anything."""

_Right = tuple[ServiceId | None, date | None, date | None]

Group = tuple[Tier, Level | None]
"""Facilities of one tier and one legal level: what the cost above the needed level rests on."""

Holders = Mapping[Group, "array[int]"]
"""Ascending numbers of places by group."""

_NOBODY: Holders = {}


class Capabilities:
    """An index over approvals and services. Ascending arrays keep a hundred thousand facilities small."""

    def __init__(self, places: Places, directory: Directory) -> None:
        self._places = places
        self._services: dict[int, tuple[Service, ...]] = _services(places, directory.services)
        self._house = {service.id: places.number[service.facility] for service in directory.services}
        self._rights: dict[Key, dict[int, tuple[_Right, ...]]] = {}
        found: dict[NetworkId, dict[Key, dict[Group, array[int]]]] = {}
        self._tiers: dict[int, list[tuple[NetworkId, Tier]]] = {}
        for membership in directory.memberships:
            place = places.number[membership.facility]
            tiers = self._tiers.setdefault(place, [])
            if (membership.network, membership.tier) not in tiers:
                tiers.append((membership.network, membership.tier))
        for place in self._tiers:
            self._add(found, (), place)
        for place, services in self._services.items():
            for specialty in sorted(
                {service.specialty for service in services if service.specialty is not None}
            ):
                self._add(found, (specialty,), place)
        approved = [approval for approval in directory.approvals if approval.state == "approved"]
        for approval in approved:
            key = (approval.list, approval.technique)
            self._add(found, key, places.number[approval.facility])
            self._add_right(key, approval)
        self._holders = {
            network: {
                key: {group: array("i", sorted(set(numbers))) for group, numbers in groups.items()}
                for key, groups in keys.items()
            }
            for network, keys in found.items()
        }
        for approval in approved:
            key = (approval.list, approval.technique)
            if _is_plain(approval) and places.number[approval.facility] in self._rights.get(key, ()):
                del self._rights[key][places.number[approval.facility]]

    def _add(self, found: dict[NetworkId, dict[Key, dict[Group, array[int]]]], key: Key, place: int) -> None:
        facility = self._places.facilities[place]
        if facility.active:
            for network, tier in self._tiers.get(place, ()):
                groups = found.setdefault(network, {}).setdefault(key, {})
                groups.setdefault((tier, facility.level), array("i")).append(place)

    def _add_right(self, key: Key, approval: Approval) -> None:
        if not _is_plain(approval):
            known = self._rights.setdefault(key, {})
            place = self._places.number[approval.facility]
            right = (approval.service, approval.valid_from, approval.valid_to)
            known[place] = (*known.get(place, ()), right)

    def holders(self, network: NetworkId, need: Need) -> Holders:
        """Give the active facilities that have what is needed on some day; dates are still to be checked."""
        if need.technique is None and need.service is not None:
            house = self._house.get(need.service)
            if house is None or not self._places.facilities[house].active:
                return _NOBODY
            level = self._places.facilities[house].level
            tiers = self._tiers.get(house, ())
            return {(tier, level): array("i", [house]) for member, tier in tiers if member == network}
        return self._holders.get(network, {}).get(_key(need), _NOBODY)

    def serving(self, place: int, need: Need, on: date) -> tuple[Service, ...] | None:
        """Give the active services of a holder that could serve the need, by id; None when it lacks it then.

        Empty: the facility may serve it and lists no services. Dates of membership are not looked at; who is
        none of `holders` is not told from one whose approval is of the whole house.
        """
        services = self._services.get(place, ())
        if need.technique is not None:
            rights = self._rights.get(need.technique, {}).get(place, _PLAIN)
            held = {service for service, start, end in rights if in_force(start, end, on)}
            if None in held:
                return services
            named = tuple(service for service in services if service.id in held)
        elif need.service is not None:
            named = tuple(service for service in services if service.id == need.service)
        elif need.specialty is not None:
            named = tuple(service for service in services if service.specialty == need.specialty)
        else:
            return services
        return named or None

    def names_service(self, place: int, need: Need) -> bool:
        """Tell whether the need leads to a service here, and not to the facility as a whole."""
        if need.technique is not None:
            rights = self._rights.get(need.technique, {}).get(place, _PLAIN)
            return all(service is not None for service, _, _ in rights)
        return need.service is not None or need.specialty is not None


_PLAIN: tuple[_Right, ...] = ((None, None, None),)
"""An approval of the whole facility without dates: wider than any other, and too common to be stored."""


def _is_plain(approval: Approval) -> bool:
    return approval.service is None and approval.valid_from is None and approval.valid_to is None


def holds(holders: Holders, group: Group, place: int) -> bool:
    """Tell whether a place is among the holders of its group."""
    return group in holders and contains(holders[group], place)


def contains(numbers: array[int], place: int) -> bool:
    """Tell whether a number is in an ascending array."""
    position = bisect_left(numbers, place)
    return position < len(numbers) and numbers[position] == place


def _key(need: Need) -> Key:
    if need.technique is not None:
        return need.technique
    return () if need.specialty is None else (need.specialty,)


def _services(places: Places, services: Iterable[Service]) -> dict[int, tuple[Service, ...]]:
    found: dict[FacilityId, list[Service]] = {}
    for service in services:
        if service.active:
            found.setdefault(service.facility, []).append(service)
    return {
        places.number[facility]: tuple(sorted(listed, key=lambda service: service.id))
        for facility, listed in found.items()
    }
