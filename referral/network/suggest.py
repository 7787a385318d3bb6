"""Where to send a patient: rule out, rank by a cost in minutes, explain."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

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
from referral.network.charges import charges_of
from referral.network.places import HALF_AROUND_KM
from referral.network.travel import Journey, Leg

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Mapping
    from datetime import date

    from referral.network.snapshot import Snapshot

_FIRST_BUDGET = 22.5
"""Minutes of travel within which the nearest are looked for first; doubled until enough are found."""

_ORDER = {code: place for place, code in enumerate(CostCode)}

_FEW = 200
"""Up to so many places, one look as far as the limit costs less than several that widen."""


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
    rules_of: date | None = None,
) -> Suggestions:
    """Rank the facilities of a network for a need of a sender's patient on a day.

    Order: cost, then id. `count`, from 1, keeps the cheapest; with it and without `with_excluded` only the
    neighbourhood is looked at, however large the network is. With `with_excluded` every member is examined.
    `rules_of`: the day whose policy holds, where that is another one than that of the question.
    Raises NotFound for an unknown network, BrokenRule when the sender is no member of it on that day.
    """
    ruled_on = rules_of or on
    policy = snapshot.policy(network, ruled_on)
    tier = snapshot.tier_of(network, sender, on)
    if tier is None:
        raise BrokenRule("The sender is not a member of the network on that day.")
    search = _Search(Examination(snapshot, network, policy, need, sender, tier, overlay, on, ruled_on), count)
    if with_excluded:
        return search.among_all()
    return Suggestions(search.nearest(), ())


class _Scored(NamedTuple):
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
        self.ways = examination.snapshot.ways(examination.network, examination.policy.travel)
        self.origin = self.places.number[examination.sender]
        self.limit = examination.policy.limit(examination.need.priority)
        self.farthest = self.ways.longest if self.limit is None else float(self.limit) + 0.1
        self.travel_weight = float(examination.policy.weights.travel)
        self.level_weight = float(examination.policy.weights.level)
        self.charges = charges_of(examination)
        self.least_charged = sum(_tenths(charge.least) for charge in self.charges)
        self._passing: dict[int, bool] = {}
        self._charges: dict[int, int] = {}

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
            found = examination.rule_out(place)
            if found is None:
                minutes = journey.minutes(place)
                found = self._too_far(target, minutes)
            if found is None:
                scored.append(self._score(place, minutes or 0.0))
            else:
                excluded.append(found)
        best = sorted(scored)[: self.count]
        return Suggestions(tuple(self._suggestion(found, journey) for found in best), tuple(excluded))

    def nearest(self) -> tuple[Suggestion, ...]:
        """Examine ever wider surroundings until nothing beyond them can cost less than what is found.

        Beyond a budget of travel every cost is above the budget's, as no term is negative.
        """
        open_places = list(self.examination.open_places())
        if not open_places:
            return ()
        budget = self._first_budget(open_places)
        while True:
            journey = Journey(self.ways, self.origin, budget)
            minutes = self._minutes_within(journey, budget, open_places)
            best = self._cheapest(minutes)
            if budget >= self.farthest or self._enough(best, budget) or self._all_in(minutes, open_places):
                return tuple(self._suggestion(found, journey) for found in best)
            budget = min(budget * 2, self.farthest)

    def _first_budget(self, open_places: list[array[int]]) -> float:
        """Look around without the links, which costs little: what lies near by road is no farther by links.

        A budget for which links need to be followed once as a rule; that it is enough is still to be proved.
        """
        if self.count is None:
            return self.farthest
        links = self.ways.links_from(self.origin)
        all_around = self.farthest / self.ways.minutes_per_km
        few = sum(len(self.places.band(self.origin, all_around, among)) for among in open_places) <= _FEW
        budget = self.farthest if few else min(_FIRST_BUDGET, self.farthest)
        while True:
            by_road = self._minutes_by_road(budget, open_places, links)
            best = self._cheapest(by_road)
            if len(best) == self.count and self._enough(best, budget):
                # Three tenths more than the dearest: then `_enough` holds, if barely.
                dearest = best[-1].cost - self.least_charged
                return min(budget, (dearest + 3) / 10 / self.travel_weight)
            if budget >= HALF_AROUND_KM * self.ways.minutes_per_km:
                # That is all there is by road; what else there is may be far beyond, or nowhere.
                return max([_FIRST_BUDGET, *(by_road[found.place] for found in best)])
            if budget >= self.farthest:
                return budget
            budget = min(budget * 2, self.farthest)

    def _minutes_by_road(
        self, budget: float, open_places: list[array[int]], links: Mapping[int, Leg]
    ) -> dict[int, float]:
        """Open places that lie within the budget as it is estimated; with the minutes of a direct link."""
        km = budget / self.ways.minutes_per_km
        minutes = {
            place: away * self.ways.minutes_per_km
            for among in open_places
            for place, away in self.places.within(self.origin, km, among)
            if place != self.origin
        }
        return minutes | {place: link.minutes for place, link in links.items() if place in minutes}

    def _minutes_within(
        self, journey: Journey, budget: float, open_places: list[array[int]]
    ) -> dict[int, float]:
        """Every open place that some way reaches within the budget, with the minutes of the best."""
        found = {place for among in open_places for place in self._around(journey, budget, among)}
        found.discard(self.origin)
        minutes = ((place, journey.minutes(place)) for place in found)
        return {place: way for place, way in minutes if way is not None and way <= budget}

    def _around(self, journey: Journey, budget: float, among: array[int]) -> Iterator[int]:
        """Those that lie near where an estimated road begins, or where a link ends; with repetitions."""
        for start, minutes in ((self.origin, 0.0), *journey.crossings()):
            km = (budget - minutes) / self.ways.minutes_per_km
            for place, _ in self.places.within(start, km, among):
                yield place
        reached = journey.reached
        if reached:
            south, north = bisect_left(among, min(reached)), bisect_right(among, max(reached))
            yield from (place for place in among[south:north] if place in reached)

    def _cheapest(self, minutes: dict[int, float]) -> list[_Scored]:
        """The places that pass, by cost; no more are examined than are asked for."""
        scored = sorted(self._score(place, way) for place, way in minutes.items())
        near = (found for found in scored if self._too_far(found.target, minutes[found.place]) is None)
        return list(islice((found for found in near if self._passes(found.place)), self.count))

    def _passes(self, place: int) -> bool:
        """Tell whether a place breaks no rule but perhaps those of travel."""
        if place not in self._passing:
            self._passing[place] = self.examination.rule_out(place) is None
        return self._passing[place]

    def _enough(self, best: list[_Scored], budget: float) -> bool:
        """Tell whether as many are found as are asked for, and nothing beyond the budget costs as little."""
        if self.count is None or len(best) < self.count:
            return False
        beyond = _tenths(budget * self.travel_weight) + self.least_charged
        return not best or best[-1].cost < beyond - 1

    def _all_in(self, minutes: dict[int, float], open_places: list[array[int]]) -> bool:
        """Tell whether no place that passes is left to be found."""
        places = (place for among in open_places for place in among)
        return all(place in minutes or place == self.origin or not self._passes(place) for place in places)

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
        target = self.places.id_of(place)
        cost = travel + _tenths(self.examination.overshoot(place) * self.level_weight)
        return _Scored(cost + self._charged(place, target), target, travel, place)

    def _charged(self, place: int, target: FacilityId) -> int:
        """What the charges come to, in tenths; a place is looked at several times as the search widens."""
        if not self.charges:
            return 0
        if place not in self._charges:
            self._charges[place] = sum(_tenths(charge.minutes(target)) for charge in self.charges)
        return self._charges[place]

    def _suggestion(self, found: _Scored, journey: Journey) -> Suggestion:
        levels = self.examination.overshoot(found.place)
        higher = {0: "no level higher than needed", 1: "1 level higher than needed"}
        level = _tenths(levels * self.level_weight)
        terms = [
            Term(CostCode.TRAVEL, _minutes(found.travel), journey.route(found.place)),
            Term(CostCode.LEVEL, _minutes(level), higher.get(levels, f"{levels} levels higher than needed")),
        ]
        for charge in self.charges:
            tenths = _tenths(charge.minutes(found.target))
            terms.append(Term(charge.code, _minutes(tenths), charge.text(found.target)))
        terms.sort(key=lambda term: _ORDER[term.code])
        return Suggestion(found.target, self.examination.service(found.place), tuple(terms))


def _tenths(minutes: float) -> int:
    return int(minutes * 10 + 0.5)


def _minutes(tenths: int) -> Decimal:
    return Decimal(tenths).scaleb(-1)
