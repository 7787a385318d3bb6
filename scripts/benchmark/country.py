"""A network of a whole country, invented: so many facilities, each with measured roads to its nearest."""

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final

import asyncpg
import networkx as nx

from referral.domain.facility import (
    Approval,
    Facility,
    FacilityId,
    Link,
    LinkKind,
    Membership,
    NetworkId,
    Technique,
    Tier,
)
from referral.domain.network_draft import NetworkDraft
from referral.domain.policy import Policy

FACILITIES: Final = 12_000
NETWORK: Final = NetworkId("bench-country")
LIMIT_MINUTES: Final = 180
TECHNIQUES: Final = tuple(f"B{n}" for n in range(20))
LIST: Final = "bench"
_NEAREST: Final = 5
# Of 100 facilities; who may do technique n of 20 depends on the tier alone, so that each has many holders.
_TIERS: Final = {Tier.STATION: 85, Tier.SATELLITE: 10, Tier.CORE: 4, Tier.CENTRAL: 1}
_CELL: Final = 0.25  # degrees
_MINUTES_PER_DEGREE: Final = 111 * 1.4 / 40 * 60
_GOODNESS: Final = (0.7, 1.0, 1.3)


@cache
def country(facilities: int = FACILITIES) -> NetworkDraft:
    """The network, the same at every call."""
    draw = random.Random(1)  # noqa: S311 - an invented map, no secret
    # As large as Viet Nam with 12,000, and always as dense.
    side = math.sqrt(facilities / FACILITIES)
    places = [(draw.uniform(9, 9 + 13 * side), draw.uniform(103, 103 + 5 * side)) for _ in range(facilities)]
    tiers = draw.choices(tuple(_TIERS), tuple(_TIERS.values()), k=facilities)
    ids = [FacilityId(f"bench-{n}") for n in range(facilities)]
    mapping = {
        "network": {"id": NETWORK, "name": "Country", "prefix": "BC"},
        "limits": {"urgent": LIMIT_MINUTES},
    }
    return NetworkDraft(
        id=NETWORK,
        name="Country",
        prefix="BC",
        facilities=tuple(
            Facility(one, f"Trạm {one}", *place) for one, place in zip(ids, places, strict=True)
        ),
        memberships=tuple(Membership(NETWORK, one, tier, one) for one, tier in zip(ids, tiers, strict=True)),
        affiliations=(),
        services=(),
        capacities={},
        techniques=tuple(Technique(LIST, code, code) for code in TECHNIQUES),
        approvals=tuple(
            Approval(one, None, LIST, code)
            for one, tier in zip(ids, tiers, strict=True)
            for n, code in enumerate(TECHNIQUES)
            if tier.rank > n % 4
        ),
        links=tuple(
            Link(NETWORK, ids[start], ids[end], Decimal(minutes).quantize(Decimal("0.1")), LinkKind.ROAD)
            for start, end, minutes in _roads(places)
        ),
        policy=Policy.from_mapping(mapping),
        policy_mapping=mapping,
        warnings=(),
    )


def _roads(places: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int, float]]:
    """Each place's nearest, once for a pair, with minutes."""
    cells = defaultdict(list)
    for number, (latitude, longitude) in enumerate(places):
        cells[int(latitude / _CELL), int(longitude / _CELL)].append(number)
    seen = set()
    for number, place in enumerate(places):
        row, column = int(place[0] / _CELL), int(place[1] / _CELL)
        around = [
            other
            for above in (-1, 0, 1)
            for beside in (-1, 0, 1)
            for other in cells.get((row + above, column + beside), ())
            if other != number
        ]
        around.sort(key=lambda other: math.dist(place, places[other]))
        for other in around[:_NEAREST]:
            pair = min(number, other), max(number, other)
            if pair not in seen:
                seen.add(pair)
                # Some roads are better than the estimate from the distance, some worse.
                goodness = _GOODNESS[(number + other) % len(_GOODNESS)]
                yield *pair, 1 + math.dist(place, places[other]) * _MINUTES_PER_DEGREE * goodness


def road_graph(draft: NetworkDraft) -> "nx.DiGraph[int]":
    """What the bare Dijkstra runs on: the same roads, facilities by their place in the draft."""
    number = {facility.id: n for n, facility in enumerate(draft.facilities)}
    graph: nx.DiGraph[int] = nx.DiGraph()
    for link in draft.links:
        start, end, minutes = number[link.origin], number[link.destination], float(link.minutes)
        graph.add_edge(start, end, minutes=minutes)
        graph.add_edge(end, start, minutes=minutes)
    return graph


def stations(draft: NetworkDraft) -> list[FacilityId]:
    """Who asks for suggestions."""
    return [membership.facility for membership in draft.memberships if membership.tier is Tier.STATION]


async def copy_network(owner: asyncpg.Connection, draft: NetworkDraft, now: datetime) -> None:
    """Store what the snapshot is made of.

    An import would write some 36,000 resources beside it, which nothing here reads.
    """
    tables: dict[str, tuple[str, list[tuple[object, ...]]]] = {
        "network": (
            "id name prefix policy updated_at",
            [(draft.id, draft.name, draft.prefix, json.dumps(draft.policy_mapping), now)],
        ),
        "facility": (
            "id name latitude longitude",
            [(one.id, one.name, one.latitude, one.longitude) for one in draft.facilities],
        ),
        "membership": (
            "network facility tier code document",
            [
                (one.network, one.facility, one.tier.value, one.code, one.facility)
                for one in draft.memberships
            ],
        ),
        "technique": ("list code name", [(one.list, one.code, one.name) for one in draft.techniques]),
        "approval": (
            "network facility list technique state",
            [(draft.id, one.facility, one.list, one.technique, one.state) for one in draft.approvals],
        ),
        "link": (
            "network origin destination minutes kind both_ways",
            [
                (one.network, one.origin, one.destination, one.minutes, one.kind.value, one.both_ways)
                for one in draft.links
            ],
        ),
    }
    for table, (columns, records) in tables.items():
        await owner.copy_records_to_table(table, records=records, columns=columns.split())
    await owner.execute("UPDATE network_version SET version = version + 1")
