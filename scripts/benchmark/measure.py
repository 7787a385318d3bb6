"""Rounds of slices in turn: the floor, the work, the floor, the work, so that both see the same machine."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scripts.benchmark.client import Slice, drive
from scripts.benchmark.country import FACILITIES
from scripts.benchmark.without import can_do_without, without
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
class Cost:
    """What came of a work without something. Ratios: rate with it by rate without it, of single rounds."""

    work: str
    connections: int
    without: str
    rate: float
    p50_ms: float
    p99_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float


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


async def measure(
    material: Material, work: Work, connections: int, effort: Effort, apart: Sequence[str] = ()
) -> tuple[Figures, Sequence[Cost]]:
    """Drive the floor and the service in turns, and in each round the service without what is named apart."""
    names = [name for name in apart if can_do_without(name, work)]
    rounds = []
    lacking: dict[str, list[Slice]] = defaultdict(list)
    for one in range(effort.rounds + 1):
        seconds = effort.seconds if one else effort.warm
        await material.systems.sign_in()
        if work.name == "move":
            await material.stock(seconds + len(names) * (seconds + 2 * effort.seconds))
        floor = await drive(work.floor, connections, seconds)
        rounds.append((floor, await drive(work.ours, connections, seconds)))
        for name in names:
            async with without(name, material.owner, work) as requests:
                await drive(requests, connections, effort.seconds)
                lacking[name].append(await drive(requests, connections, seconds))
            await drive(work.ours, connections, effort.seconds)
    ours = [slices[1] for slices in rounds[1:]]
    return figures_of(work.name, connections, rounds[1:]), [
        cost_of(work.name, connections, name, list(zip(ours, lacking[name][1:], strict=True)))
        for name in names
    ]


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


def cost_of(work: str, connections: int, name: str, rounds: Sequence[tuple[Slice, Slice]]) -> Cost:
    """Of rounds with it and without it."""
    ratios = [whole.rate / less.rate for whole, less in rounds]
    latencies = sorted(latency for _, less in rounds for latency in less.latencies)
    return Cost(
        work=work,
        connections=connections,
        without=name,
        rate=statistics.median(less.rate for _, less in rounds),
        p50_ms=_quantile(latencies, 0.50) * 1000,
        p99_ms=_quantile(latencies, 0.99) * 1000,
        ratio=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
    )


def _quantile(ascending: Sequence[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(part * len(ascending)))]
