"""Where to send a patient: rule out, rank by a cost in minutes, explain."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from referral.domain.errors import BrokenRule
from referral.domain.facility import FacilityId, NetworkId
from referral.domain.suggestion import (
    CostCode,
    Excluded,
    Exclusion,
    Need,
    Overlay,
    Suggestion,
    Suggestions,
    Term,
)
from referral.network.candidate import Examination
from referral.network.capability import contains
from referral.network.travel import Journey

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator
    from datetime import date

    from referral.network.snapshot import Snapshot

_FIRST_BUDGET = 22.5
"""Minutes of travel within which the nearest are looked for first; doubled until enough are found."""

_FEW = 64
"""Up to so many open places, one look as far as the limit costs less than several that widen."""


def suggest(  # noqa: PLR0917 - the interface everybody calls
    snapshot: Snapshot,
    network: NetworkId,
    need: Need,
    sender: FacilityId,
    overlay: Overlay,
    on: date,
    *,
    count: int | None = None,
    with_excluded: bool = True,
) -> Suggestions:
    """Rank the facilities of a network for a need of a sender's patient on a day.

    Order: cost, then id. `count` keeps the cheapest; with it and without `with_excluded` only the
    neighbourhood is looked at, however large the network is. With `with_excluded` every member is examined.
    Raises NotFound for an unknown network, BrokenRule when the sender is no member of it on that day.
    """
    policy = snapshot.policy(network)
    tier = snapshot.tier_of(network, sender, on)
    if tier is None:
        raise BrokenRule("The sender is not a member of the network on that day.")
    search = _Search(Examination(snapshot, network, policy, need, sender, tier, overlay, on), count)
    if with_excluded:
        return search.among_all()
    return Suggestions(search.nearest(), ())


@dataclass(frozen=True, slots=True, order=True)
class _Scored:
    """A place that passed, in order of cost and id. Tenths of minutes, so that sums are exact."""

    cost: int
    target: FacilityId
    travel: int
    place: int


class _Search:
    """The search of one suggestion; everything in minutes unless it says tenths."""

    def __init__(self, examination: Examination, count: int | None) -> None:
        self.examination = examination
        self.count = count
        self.places = examination.snapshot.places
        self.ways = examination.snapshot.ways(examination.network)
        self.origin = self.places.number[examination.sender]
        self.limit = examination.policy.limit(examination.need.priority)
        self.travel_weight = float(examination.policy.weights.travel)
        self.level_weight = float(examination.policy.weights.level)

    def among_all(self) -> Suggestions:
        """Examine every member of the network."""
        examination = self.examination
        journey = Journey(self.ways, self.origin)
        scored: list[_Scored] = []
        excluded: list[Excluded] = []
        for target in examination.snapshot.members(examination.network, examination.on):
            place = self.places.number[target]
            if place == self.origin:
                continue
            found = examination.rule_out(place) or self._too_far(target, journey.minutes(place))
            if found is None:
                scored.append(self._score(place, journey.minutes(place) or 0.0))
            else:
                excluded.append(found)
        return Suggestions(self._ranked(scored, journey), tuple(excluded))

    def nearest(self) -> tuple[Suggestion, ...]:
        """Examine ever wider surroundings until nothing beyond them can cost less than what is found.

        Beyond a budget of travel every cost is above the budget's, as no term is negative.
        """
        farthest = self.ways.longest if self.limit is None else float(self.limit) + 0.1
        open_places = list(self.examination.open_places())
        to_settle = sum(len(places) for places in open_places)
        at_once = self.count is None or (self.limit is not None and to_settle <= _FEW)
        budget = farthest if at_once else min(_FIRST_BUDGET, farthest)
        settled = {self.origin}
        scored: list[_Scored] = []
        while True:
            journey = Journey(self.ways, self.origin, budget)
            for place in self._within(journey, budget, open_places):
                if place in settled:
                    continue
                if self.examination.rule_out(place) is not None:
                    settled.add(place)
                    continue
                minutes = journey.minutes(place)
                if minutes is not None and minutes <= budget:
                    settled.add(place)
                    if self._too_far(self.places.id_of(place), minutes) is None:
                        scored.append(self._score(place, minutes))
            if budget >= farthest or len(settled) > to_settle or self._enough(scored, budget):
                return self._ranked(scored, journey)
            budget = min(budget * 2, farthest)

    def _within(self, journey: Journey, budget: float, open_places: list[array[int]]) -> Iterator[int]:
        """Every open place that some way reaches within the budget, and some others; with repetitions."""
        starts = [(self.origin, 0.0), *journey.crossings()]
        for start, minutes in starts:
            km = (budget - minutes) / self.ways.minutes_per_km
            for among in open_places:
                yield from self.places.within(start, km, among)
        for place in journey.reached:
            if any(contains(among, place) for among in open_places):
                yield place

    def _enough(self, scored: list[_Scored], budget: float) -> bool:
        if self.count is None or len(scored) < self.count:
            return False
        costs = heapq.nsmallest(self.count, (found.cost for found in scored))
        return not costs or costs[-1] < _tenths(budget * self.travel_weight) - 1

    def _too_far(self, target: FacilityId, minutes: float | None) -> Excluded | None:
        if minutes is None:
            return Excluded(target, Exclusion.UNREACHABLE, "unreachable: no road and no ferry leads there")
        if self.limit is None or _tenths(minutes) <= self.limit * 10:
            return None
        priority = self.examination.need.priority
        text = (
            f"distance: {_minutes(_tenths(minutes))} min away, the limit for {priority} is {self.limit} min"
        )
        return Excluded(target, Exclusion.DISTANCE, text)

    def _score(self, place: int, minutes: float) -> _Scored:
        travel = _tenths(minutes * self.travel_weight)
        level = _tenths(self.examination.overshoot(place) * self.level_weight)
        return _Scored(travel + level, self.places.id_of(place), travel, place)

    def _ranked(self, scored: list[_Scored], journey: Journey) -> tuple[Suggestion, ...]:
        best = sorted(scored) if self.count is None else heapq.nsmallest(self.count, scored)
        return tuple(self._suggestion(found, journey) for found in best)

    def _suggestion(self, found: _Scored, journey: Journey) -> Suggestion:
        levels = self.examination.overshoot(found.place)
        higher = {0: "no level higher than needed", 1: "1 level higher than needed"}
        terms = (
            Term(CostCode.TRAVEL, _minutes(found.travel), journey.route(found.place)),
            Term(
                CostCode.LEVEL,
                _minutes(found.cost - found.travel),
                higher.get(levels, f"{levels} levels higher than needed"),
            ),
        )
        return Suggestion(found.target, self.examination.service(found.place), terms)


def _tenths(minutes: float) -> int:
    return int(minutes * 10 + 0.5)


def _minutes(tenths: int) -> Decimal:
    return Decimal(tenths).scaleb(-1)
