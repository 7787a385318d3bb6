"""What belongs to a request: its patient, and what it brings along."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import orjson

from referral.store.pool import Store
from referral.store.search import FoundResource
from referral.store.statements import statement


class PackagePlace(NamedTuple):
    """Where a page of a package ended."""

    place: int
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class PackagePage:
    """One page: the patient first. next: None on the last one."""

    resources: tuple[FoundResource, ...]
    next: PackagePlace | None


@dataclass(frozen=True, slots=True)
class Brought:
    """A request with what it names itself: type and codes (system, code) of each. born: of its patient.

    conditions: the codes of the Conditions among them, by their ids.
    """

    content: str
    born: datetime | None
    named: tuple[tuple[str, frozenset[tuple[str, str]]], ...]
    conditions: Mapping[str, frozenset[tuple[str, str]]]


BEGINNING: Final = PackagePlace(0, "", "")


async def read_package(
    store: Store,
    visible_to: str,
    request: str,
    *,
    types: Collection[str],
    count: int,
    after: PackagePlace = BEGINNING,
) -> PackagePage:
    """At most `count` of what a request that the facility sees brings along, of these types.

    What the facility does not see is left out, and so is what that alone would lead to.
    """
    async with store.reading(visible_to) as connection:
        rows = await connection.fetch(
            statement("package", "package"), visible_to, request, list(types), *after, count + 1
        )
    page = rows[:count]
    found = tuple(FoundResource(row["type"], row["id"], row["content"]) for row in page)
    if len(rows) <= count:
        return PackagePage(found, None)
    last = PackagePlace(*page[-1][:3]) if page else after
    return PackagePage(found, last)


async def read_brought(store: Store, visible_to: str, request: str) -> Brought | None:
    """What a request brings along by itself, as the facility sees it; None where it sees no such request."""
    async with store.reading(visible_to) as connection:
        row = await connection.fetchrow(statement("package", "request"), request)
        rows = await connection.fetch(statement("package", "named"), request)
    if row is None:
        return None
    named = [
        (one["type"], one["id"], frozenset(map(tuple, orjson.loads(one["codes"] or "[]")))) for one in rows
    ]
    return Brought(
        row["content"],
        row["born"],
        tuple((kind, codes) for kind, _, codes in named),
        {name: codes for kind, name, codes in named if kind == "Condition"},
    )
