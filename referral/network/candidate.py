"""The rules that a facility must pass to be suggested, all but those of travel."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, assert_never

from referral.domain.codes import Direction
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    CapacityStatus,
    FacilityId,
    NetworkId,
    Service,
    ServiceId,
    Tier,
)
from referral.domain.opening_hours import is_open
from referral.domain.policy_rules import ListKind
from referral.domain.suggestion import Excluded, Exclusion, Need, Overlay
from referral.network.capability import Group, Holders, holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from referral.domain.policy import Policy
    from referral.network.snapshot import Snapshot


@dataclass(frozen=True)
class Examination:
    """One need of one sender on one day, held against facilities by their numbers.

    on: of the facts. ruled_on: of the rules.
    """

    snapshot: Snapshot
    network: NetworkId
    policy: Policy
    need: Need
    sender: FacilityId
    sender_tier: Tier
    overlay: Overlay
    on: date
    ruled_on: date

    @cached_property
    def holders(self) -> Holders:
        """Active facilities that have what is needed on some day."""
        return self.snapshot.capabilities.holders(self.network, self.need)

    @cached_property
    def tied(self) -> frozenset[FacilityId]:
        """Facilities to which a tie of the sender leads, whatever their tiers."""
        return frozenset(
            target
            for target, ties in self.snapshot.ties(self.network, self.sender).items()
            if any(map(self._holds, ties))
        )

    @cached_property
    def channelled(self) -> frozenset[FacilityId]:
        """Facilities to which the sender has a green channel for what is needed."""
        return frozenset(
            target
            for target, ties in self.snapshot.ties(self.network, self.sender).items()
            if any(tie.kind is AffiliationKind.GREEN_CHANNEL and self._holds(tie) for tie in ties)
        )

    def _holds(self, tie: Affiliation) -> bool:
        """Whether a tie is in force, and for what is needed."""
        return tie.serves(self.need.code, self.on)

    @cached_property
    def _goes_straight(self) -> bool:
        """Whether a list lets this patient leave levels out, at least to some facility."""
        return bool(self.policy.listed(ListKind.STRAIGHT_TO_LEVEL, self.need.codes, self.ruled_on))

    @cached_property
    def refusals(self) -> dict[Tier, str | None]:
        """Why the policy keeps the sender from a tier; None where it does not."""
        return {
            tier: self.policy.refusal(
                self.sender_tier, tier, self.ruled_on, next_level_lacks=self._next_level_lacks
            )
            for tier in Tier
        }

    @cached_property
    def _next_level_lacks(self) -> bool:
        """Whether nobody of the tier above can serve this patient, be it full or far."""
        groups = [group for group in self.holders if group[0] is self.sender_tier.next]
        return not any(self._fitting(place) for group in groups for place in self._capable_in(group))

    def _capable_in(self, group: Group) -> Iterator[int]:
        """Capable facilities that are of the group's tier on the day, not just on some day."""
        tier, _ = group
        return (place for place in self.holders[group] if self._tier(place) is tier and self.capable(place))

    def _fitting(self, place: int) -> bool:
        services = self.snapshot.capabilities.serving(place, self.need, self.on)
        return services is not None and (not services or any(self._takes(service) for service in services))

    @cached_property
    def lowest(self) -> tuple[bool, int]:
        """Whether overshoot counts in levels (else in tiers), and the lowest rank among the capable."""
        groups = [group for group in self.holders if any(True for _ in self._capable_in(group))]
        levels = [level.rank for _, level in groups if level is not None]
        if len(levels) == len(groups):
            return True, min(levels, default=0)
        return False, min(tier.rank for tier, _ in groups)

    def overshoot(self, place: int) -> int:
        """Levels (or tiers) of a capable facility above the lowest that has what is needed."""
        in_levels, lowest = self.lowest
        facility = self.snapshot.places.facilities[place]
        if in_levels and facility.level is not None:
            return facility.level.rank - lowest
        tier = self._tier(place)
        return 0 if tier is None else tier.rank - lowest

    @cached_property
    def _tiers(self) -> dict[int, Tier | None]:
        """The tiers of the places that were looked at; each is asked for several times."""
        return {}

    def _tier(self, place: int) -> Tier | None:
        tiers = self._tiers
        if place not in tiers:
            tiers[place] = self.snapshot.tier_of(self.network, self.snapshot.places.id_of(place), self.on)
        return tiers[place]

    def capable(self, place: int) -> bool:
        """Tell whether a facility is a member and has what is needed on the day."""
        tier = self._tier(place)
        if tier is None or not holds(
            self.holders, (tier, self.snapshot.places.facilities[place].level), place
        ):
            return False
        if self.snapshot.capabilities.serving(place, self.need, self.on) is None:
            return False
        anything = self.need.technique is None and self.need.service is None and self.need.specialty is None
        direction = self.need.direction
        return not anything or direction is None or self._goes(tier, direction)

    def _goes(self, tier: Tier, direction: Direction) -> bool:
        match direction:
            case Direction.UP:
                return tier.rank > self.sender_tier.rank
            case Direction.DOWN:
                return tier.rank < self.sender_tier.rank
            case Direction.LATERAL:
                return tier is self.sender_tier
            case _:
                assert_never(direction)

    def refusal(self, place: int, tier: Tier) -> str | None:
        """Say why the policy keeps the sender from a facility; None when it does not."""
        direction = self.need.direction
        if direction is not None and not self._goes(tier, direction):
            where = {Direction.UP: "above", Direction.DOWN: "below", Direction.LATERAL: "beside"}[direction]
            not_there = f"a {tier.label} is not {where} a {self.sender_tier.label}"
            return f"policy: {not_there}, where the direction {direction} leads"
        if self.refusals[tier] is None or self.snapshot.places.id_of(place) in self.tied:
            return None
        if self._goes_straight and self._goes(tier, Direction.UP):
            target = self.snapshot.places.facilities[place]
            if self.policy.goes_straight(self.need.codes, tier, target, self.ruled_on):
                return None
        return self.refusals[tier]

    def open_places(self) -> Iterator[array[int]]:
        """Ascending numbers of the facilities worth examining: those the policy and the need leave."""
        for (tier, _), places in self.holders.items():
            direction = self.need.direction
            straight = self._goes_straight and self._goes(tier, Direction.UP)
            open_to_all = self.refusals[tier] is None or straight
            if open_to_all and (direction is None or self._goes(tier, direction)):
                yield places
        tied = sorted(self.snapshot.places.number[target] for target in self.tied)
        if tied:
            yield array("i", tied)

    def rule_out(self, place: int) -> Excluded | None:
        """Give the first rule that a facility breaks; None when it passes all but those of travel."""
        found = self._broken(place)
        return None if found is None else Excluded(self.snapshot.places.id_of(place), *found)

    def _broken(self, place: int) -> tuple[Exclusion, str] | None:
        tier = self._tier(place)
        if not self.snapshot.places.facilities[place].active:
            return Exclusion.INACTIVE, "inactive: the facility takes no patients at present"
        if tier is None:
            return Exclusion.POLICY, "policy: not a member of the network on that day"
        refusal = self.refusal(place, tier)
        if refusal is not None:
            return Exclusion.POLICY, refusal
        if not self.capable(place):
            return Exclusion.CAPABILITY, f"capability: {self._lacking()}"
        return self._unable(place)

    def _unable(self, place: int) -> tuple[Exclusion, str] | None:
        services = self.snapshot.capabilities.serving(place, self.need, self.on) or ()
        fitting = [service for service in services if self._takes(service)]
        if services and not fitting:
            return Exclusion.PATIENT, "patient: no service there takes patients of this age or sex"
        opened = [service for service in fitting if self._is_open(service)]
        if fitting and not opened:
            return Exclusion.HOURS, "hours: every service for this need is closed now"
        if fitting and not any(self._has_room(service) for service in opened):
            return Exclusion.CAPACITY, "capacity: every service for this need says that it is full"
        if self.snapshot.places.id_of(place) in self.overlay.rejected:
            return Exclusion.REJECTED, "rejected: the facility has already rejected this referral"
        return None

    def _lacking(self) -> str:
        if self.need.technique is not None:
            return "not approved for the technique on that day"
        if self.need.service is not None:
            return "the service asked for is not there"
        return "no service of the specialty asked for"

    def service(self, place: int) -> ServiceId | None:
        """Name the first open service that the need leads to; None when that is the whole facility."""
        capabilities = self.snapshot.capabilities
        if not capabilities.names_service(place, self.need):
            return None
        services = capabilities.serving(place, self.need, self.on) or ()
        return next((found.id for found in services if self._can_take(found)), None)

    def has_waitlist(self, place: int) -> bool:
        """Tell whether all services that could take the patient say that there is a waitlist."""
        services = self.snapshot.capabilities.serving(place, self.need, self.on) or ()
        known = (self.overlay.capacity.get(one.id) for one in services if self._can_take(one))
        told = [capacity is not None and capacity.status is CapacityStatus.WAITLIST for capacity in known]
        return bool(told) and all(told)

    def _can_take(self, service: Service) -> bool:
        return self._takes(service) and self._is_open(service) and self._has_room(service)

    def _is_open(self, service: Service) -> bool:
        return self.overlay.at is None or is_open(service.hours, self.overlay.at)

    def _takes(self, service: Service) -> bool:
        age, sex = self.need.age, self.need.sex
        if age is not None and service.age_min is not None and age < service.age_min:
            return False
        if age is not None and service.age_max is not None and age > service.age_max:
            return False
        return service.sex is None or sex not in {"male", "female"} or sex == service.sex

    def _has_room(self, service: Service) -> bool:
        capacity = self.overlay.capacity.get(service.id)
        return capacity is None or capacity.status is not CapacityStatus.NO_CAPACITY
