"""Minutes from one place to many: measured links first, else an estimate by road.

The rules, in this order:
- a link for the very pair is the truth for that pair;
- else the shortest of the estimate (one landmass only), a chain of links, and a mixed route: by an estimated
  road to where a crossing starts, by links, and from where a crossing ends on by an estimated road.
A crossing is a ferry, or any link between two landmasses. Estimates are never chained on land: that would
undercut a measured road by a detour nobody measured.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import networkx as nx

from referral.domain.facility import Link, LinkKind
from referral.domain.policy_rules import TravelSettings
from referral.network.places import HALF_AROUND_KM, Places

_LEAVE = -1
"""Stands for the origin as it leaves by an estimated road; a journey gives its edges their minutes."""

_ESTIMATE = "estimate"

_ROUNDING: Final = 1e-9
"""The share by which two sums of the same roads may differ; what gains no more than that gains nothing."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a route, ending at the place `to`; `kind` is road, ferry or estimate."""

    to: int
    minutes: float
    kind: str


class Ways:
    """The links of one network over its places, and how to estimate the rest."""

    def __init__(self, places: Places, links: Iterable[Link], settings: TravelSettings) -> None:
        self.places = places
        self.minutes_per_km = settings.detour / settings.speed_kmh * 60
        self.graph: nx.DiGraph[int] = nx.DiGraph()
        departures: dict[str, set[int]] = {}
        arrivals: dict[str, set[int]] = {}
        for link in links:
            origin, destination = places.number[link.origin], places.number[link.destination]
            ends = (
                [(origin, destination), (destination, origin)] if link.both_ways else [(origin, destination)]
            )
            for start, end in ends:
                self._connect(start, end, float(link.minutes), link.kind)
                if link.kind is LinkKind.FERRY or places.landmass(start) != places.landmass(end):
                    departures.setdefault(places.landmass(start), set()).add(start)
                    arrivals.setdefault(places.landmass(end), set()).add(end)
        self.arrivals = {landmass: tuple(sorted(found)) for landmass, found in arrivals.items()}
        self.departures = frozenset(departures)
        """Landmasses from which a crossing leads away."""
        for landmass, starts in departures.items():
            for start in starts:
                self.graph.add_edge(_LEAVE, start, minutes=0.0, kind=_ESTIMATE)
                for end in self.arrivals.get(landmass, ()):
                    if end != start and not self.graph.has_edge(end, start):
                        self.graph.add_edge(end, start, minutes=self.estimate(end, start), kind=_ESTIMATE)

        self.faster = array(
            "i", sorted({s for s, e, data in self.graph.edges(data=True) if self._gains(s, e, data)})
        )
        """Where a link starts that is a crossing or faster than the estimate; ascending numbers."""
        by_links = sum(float(data["minutes"]) for _, _, data in self.graph.edges(data=True))
        self.longest = by_links + 2 * HALF_AROUND_KM * self.minutes_per_km
        """Minutes that no journey exceeds."""

    def _connect(self, start: int, end: int, minutes: float, kind: LinkKind) -> None:
        known = self.graph.get_edge_data(start, end)
        if known is None or minutes < known["minutes"]:
            self.graph.add_edge(start, end, minutes=minutes, kind=kind.value)

    def _gains(self, start: int, end: int, data: dict[str, Any]) -> bool:
        if start == _LEAVE or data["kind"] == _ESTIMATE:
            return False
        if self.places.landmass(start) != self.places.landmass(end):
            return True
        # A little more than equal: `may_gain` must not skip what a sum of several makes a gain.
        return bool(data["minutes"] < self.estimate(start, end) * (1 + _ROUNDING))

    def may_gain(self, origin: int, budget: float) -> bool:
        """Tell whether some chain of links within the budget may take less time than the estimate.

        One of its links is then a crossing or faster than its estimate. Until the first such link the chain
        takes as long as the estimate or longer, so that link starts within the budget as estimated.
        """
        km = budget / self.minutes_per_km
        return any(True for _ in self.places.within(origin, km, self.faster))

    def estimate(self, origin: int, destination: int) -> float:
        """Minutes by a road that nobody measured; only meant for places of one landmass."""
        return self.places.km(origin, destination) * self.minutes_per_km

    def link(self, origin: int, destination: int) -> Leg | None:
        """Give the measured link for the very pair."""
        data = self.graph.get_edge_data(origin, destination)
        if data is None or data["kind"] == _ESTIMATE:
            return None
        return Leg(destination, data["minutes"], data["kind"])

    def links_from(self, origin: int) -> dict[int, Leg]:
        """Give the measured links of a place by where they lead."""
        ends = self.graph.adj.get(origin, ())
        return {end: leg for end in ends if (leg := self.link(origin, end)) is not None}


class Journey:
    """All ways from one place that take at most `budget` minutes; None: all ways."""

    def __init__(self, ways: Ways, origin: int, budget: float | None = None) -> None:
        self.ways = ways
        self.origin = origin
        self.landmass = ways.places.landmass(origin)
        self._links = ways.links_from(origin)
        starts = (origin, _LEAVE) if self.landmass in ways.departures else (origin,)
        self._sources = {place for place in starts if place in ways.graph}
        self.reached: dict[int, float] = {}
        """Minutes by links to each place that they lead to, the nearest first; none where no link gains."""
        if self._sources and (budget is None or ways.may_gain(origin, budget)):
            # Without paths: those of all these places would cost a quarter more, and few are told.
            self.reached = nx.multi_source_dijkstra_path_length(
                ways.graph,
                self._sources,
                cutoff=budget,
                weight=self._minutes_of if _LEAVE in self._sources else _minutes,
            )
            self.reached.pop(_LEAVE, None)
        self._crossed = {
            landmass: tuple(place for place in places if self._by_crossing(place))
            for landmass, places in ways.arrivals.items()
        }

    def _minutes_of(self, start: int, end: int, data: dict[str, float]) -> float | None:
        if start != _LEAVE:
            return data["minutes"]
        places = self.ways.places
        if places.landmass(end) != self.landmass or end in self._links:
            return None
        return self.ways.estimate(self.origin, end)

    def _by_crossing(self, place: int) -> bool:
        """Tell whether it pays to go on from here by road, against driving straight from the origin."""
        minutes = self.reached.get(place)
        if minutes is None:
            return False
        here = self.ways.places.landmass(place) == self.landmass
        return not here or _gains_on(self.ways.estimate(self.origin, place), minutes)

    def crossings(self) -> Iterator[tuple[int, float]]:
        """Places where a crossing ends from which an estimated road goes on, with the minutes until there."""
        for places in self._crossed.values():
            for place in places:
                yield place, self.reached[place]

    def _last(self, target: int) -> tuple[float, int | None] | None:
        """Minutes, and the place from which the last leg is an estimate (None: a link ends there)."""
        direct = self._links.get(target)
        if direct is not None:
            return direct.minutes, None
        landmass = self.ways.places.landmass(target)
        best: tuple[float, int | None] | None = None
        if landmass == self.landmass:
            best = self.ways.estimate(self.origin, target), self.origin
        linked = self.reached.get(target)
        if linked is not None and (best is None or _gains_on(best[0], linked)):
            best = linked, None
        for place in self._crossed.get(landmass, ()):
            if self.ways.link(place, target) is None:
                minutes = self.reached[place] + self.ways.estimate(place, target)
                if best is None or _gains_on(best[0], minutes):
                    best = minutes, place
        return best

    def minutes(self, target: int) -> float | None:
        """Minutes to a place; None when no road and no link leads there.

        With a budget, an answer above it may be longer than the best way.
        """
        last = self._last(target)
        return None if last is None else last[0]

    def legs(self, target: int) -> tuple[Leg, ...]:
        """Give the parts of the best way; empty when there is none."""
        direct = self._links.get(target)
        if direct is not None:
            return (direct,)
        last = self._last(target)
        if last is None:
            return ()
        _, by_road_from = last
        if by_road_from == self.origin:
            return (Leg(target, last[0], _ESTIMATE),)
        if by_road_from is None:
            return self._linked(target)
        return (*self._linked(by_road_from), Leg(target, last[0] - self.reached[by_road_from], _ESTIMATE))

    def _linked(self, target: int) -> tuple[Leg, ...]:
        path = [target]
        while path[-1] not in self._sources:
            path.append(self._before(path[-1]))
        return tuple(
            Leg(
                end,
                self.reached[end] - self.reached.get(start, 0.0),
                self.ways.graph.edges[start, end]["kind"],
            )
            for start, end in pairwise(reversed(path))
        )

    def _before(self, place: int) -> int:
        """Where the shortest way comes from; of several equal ones, the one that Dijkstra found first."""
        starts = [
            start
            for start, data in self.ways.graph.pred[place].items()
            if (start in self.reached or start in self._sources)
            and (leg := self._minutes_of(start, place, data)) is not None
            and self.reached.get(start, 0.0) + leg == self.reached[place]
        ]
        return min(starts, key=self._turn)

    def _turn(self, place: int) -> int:
        return self._turns.get(place, -1)

    @cached_property
    def _turns(self) -> dict[int, int]:
        return {place: turn for turn, place in enumerate(self.reached)}

    def route(self, target: int) -> str:
        """Say in a short text how one gets there: "by road, estimated". Only for a place that is reached."""
        legs = self.legs(target)
        if len(legs) == 1:
            return _WHOLE[legs[0].kind]
        *first, last = (f"{_PART[leg.kind]} {leg.minutes:.0f} min to {self._name(leg.to)}" for leg in legs)
        return f"{', '.join(first)}, then {last}"

    def _name(self, place: int) -> str:
        facility = self.ways.places.facilities[place]
        return facility.name_en or facility.name


def _gains_on(known: float, minutes: float) -> bool:
    """Tell whether a way is shorter than the one known; estimates in a line are no way of their own."""
    return minutes < known * (1 - _ROUNDING)


def _minutes(_start: int, _end: int, data: dict[str, float]) -> float:
    return data["minutes"]


_WHOLE = {_ESTIMATE: "by road, estimated", "road": "by road, measured", "ferry": "by ferry"}
_PART = {_ESTIMATE: "road (estimated)", "road": "road", "ferry": "ferry"}
