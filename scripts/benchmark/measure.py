"""Rounds of slices in turn: the floor, the work, the floor, the work, so that both see the same machine."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scripts.benchmark.client import Slice, drive
from scripts.benchmark.country import FACILITIES
from scripts.benchmark.works import Material, Work

CONNECTIONS: Final = (1, 16)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: rounds of one slice of each server, in seconds.

    Before the first round comes one that is not counted, of `warm` seconds: in it is made what is made once.
    profile: seconds for each work. starts: how often the start is timed. facilities: of the country.
    indexes_last_above: from how many referrals on it is faster to load them without indexes.
    """

    rounds: int
    seconds: float
    warm: float = 0.2
    profile: float = 5.0
    starts: int = 3
    facilities: int = FACILITIES
    indexes_last_above: int = 100_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What one work came to over so many connections; ratios are those of single rounds."""

    work: str
    connections: int
    rate: float
    p50_ms: float
    p99_ms: float
    floor: float
    ratio: float
    ratio_min: float
    ratio_max: float
    client_us: float  # CPU that the client took for one request of the work


async def measure(material: Material, work: Work, connections: int, effort: Effort) -> Figures:
    """Drive the floor and the service in turns."""
    rounds = []
    for one in range(effort.rounds + 1):
        seconds = effort.seconds if one else effort.warm
        await material.systems.sign_in()
        if work.name == "move":
            await material.stock(seconds)
        floor = await drive(work.floor, connections, seconds)
        rounds.append((floor, await drive(work.ours, connections, seconds)))
    return figures_of(work.name, connections, rounds[1:])


def figures_of(work: str, connections: int, rounds: Sequence[tuple[Slice, Slice]]) -> Figures:
    floors = [floor.rate for floor, _ in rounds]
    rates = [ours.rate for _, ours in rounds]
    ratios = [rate / floor for rate, floor in zip(rates, floors, strict=True)]
    latencies = sorted(latency for _, ours in rounds for latency in ours.latencies)
    return Figures(
        work=work,
        connections=connections,
        rate=statistics.median(rates),
        p50_ms=_quantile(latencies, 0.50) * 1000,
        p99_ms=_quantile(latencies, 0.99) * 1000,
        floor=statistics.median(floors),
        ratio=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        client_us=sum(ours.client_seconds for _, ours in rounds) / len(latencies) * 1e6,
    )


def _quantile(ascending: Sequence[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(part * len(ascending)))]
