"""Worklists in one call: the same answer, page by page, as the search of any other form gives."""

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from referral.domain.errors import InvalidElement
from referral.domain.search import SearchQuery
from referral.fhir.resources import SUPPORTED
from referral.fhir.search_query import parse_search
from referral.store import search as search_store
from referral.store import worklist
from referral.store.change_set import ChangeSet
from referral.store.pool import Store
from referral.store.search import FoundResource, SearchPage, WorkPage, search_as, search_documents
from referral.store.version_cache import VersionCache
from tests.owner import behind_the_wall
from tests.store.documents import BASE, START, add_document, add_network, write

OPEN = "status=requested,received,accepted,in-progress&_sort=-_lastUpdated"
OPEN_REQUESTS = "status=draft,active,on-hold&_sort=-_lastUpdated"
STATUSES = ["requested", "received", "accepted", "in-progress", "completed", "rejected"]
REQUEST_STATUSES = ["draft", "active", "active", "on-hold", "completed", "revoked"]


def asked(address: str) -> SearchQuery:
    resource_type, _, text = address.partition("?")
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in text.split("&"))]
    return parse_search(resource_type, pairs, lenient=False, base=BASE)


def to(kind: str, target: str) -> dict[str, str]:
    return {"reference": f"{kind}/{target}"}


@pytest.fixture
async def offers(store: Store) -> None:
    """40 requests with a Task each: of two owners, in every status, seen or not, often of one moment."""
    await add_network(store, "net", "NN", ["station", "hospital", "other"])
    chance, other, changes = random.Random(11), random.Random(12), ChangeSet()
    add_document(changes, "Organization", "hospital", ["net"], name="The hospital")
    for n in range(40):
        at: datetime = START + timedelta(seconds=n // 5)
        seen = chance.choice([["station", "hospital"], ["hospital"], ["station"]])
        subject = to("Patient", f"p{n % 7}")
        add_document(
            changes,
            "ServiceRequest",
            f"r{n:02}",
            chance.choice([seen, ["station"]]),
            at=at,
            deleted=n == 9,
            status=other.choice(REQUEST_STATUSES),
            intent="order",
            subject=subject,
            requester=to("Organization", "station"),
            performer=[
                to("Organization", name) for name in other.choice([["hospital"], ["hospital", "other"]])
            ],
        )
        owner = chance.choice(["hospital", "hospital", "hospital", "other"])
        add_document(
            changes,
            "Task",
            f"t{n:02}",
            seen,
            at=at,
            deleted=n == 7,
            status=chance.choice(STATUSES),
            intent="order",
            owner=to("Organization", owner),
            requester=to("Organization", "station"),
            focus=to("ServiceRequest", f"r{n:02}"),
            **{"for": subject},
            # What is brought along may be a match of the page, or of the next one.
            **({"partOf": [to("Task", f"t{n - 1:02}")]} if n % 3 else {}),
        )
    for n in range(7):
        add_document(changes, "Patient", f"p{n}", [["station", "hospital"], ["station"]][n % 2])
    await write(store, changes)


ADDRESSES = [
    f"Task?owner=Organization/hospital&{OPEN}&_count=4",
    f"Task?owner=Organization/hospital&{OPEN}&_count=4&_include=Task:focus",
    f"Task?owner=Organization/hospital&{OPEN}&_count=3&_include=Task:focus&_include=Task:patient",
    f"Task?owner=Organization/hospital&{OPEN}&_count=5&_include=Task:owner&_include=Task:part-of",
    f"Task?owner=Organization/hospital&{OPEN}&_count=5&_include=Task:subject:Patient&_include=Task:focus:Task",
    f"Task?requester=Organization/station&{OPEN}&_count=1&_include=Task:focus",
    f"Task?requester=Organization/station&{OPEN}&_count=200&_include=Task:focus&_include=Task:part-of",
    "Task?owner=Organization/other&status=accepted&_sort=-_lastUpdated&_count=2",
    f"ServiceRequest?performer=Organization/hospital&{OPEN_REQUESTS}&_count=3&_include=ServiceRequest:patient",
    f"ServiceRequest?requester=Organization/station&{OPEN_REQUESTS}&_count=4&_include=ServiceRequest:performer",
    "ServiceRequest?requester=Organization/station&status=draft&_sort=-_lastUpdated&_count=2",
]


@pytest.mark.parametrize("facility", ["hospital", "station", "other", "stranger"])
@pytest.mark.parametrize("address", ADDRESSES)
async def test_each_page_is_that_of_the_general_search(
    store: Store, offers: None, address: str, facility: str
):
    types = [each for each in SUPPORTED if each != "Location"]
    query: Any = asked(address)
    assert worklist.page_values(query, types, 1) is not None
    seen = 0
    while query is not None:
        page = await read(store, facility, query, types)
        async with store.reading(facility) as connection:
            general = await search_documents(connection, facility, query, include_types=types)
        assert _shown(page) == _shown(general)
        assert page.next == general.next
        seen += len(page.matches)
        query = None if page.next is None else _after(query, page)
    # A table in which nobody sees anything would prove nothing.
    assert (seen > 0) is (facility in {"hospital", "station"}) or "Organization/other" in address


async def read(store: Store, facility: str, query: SearchQuery, types: Collection[str]) -> SearchPage:
    """The page, with nothing remembered."""
    page = await search_as(store, VersionCache(), facility, query, include_types=types)
    assert isinstance(page, WorkPage)
    matches, included = (tuple(map(_resource, found)) for found in (page.matches, page.included))
    return SearchPage(matches, included, page.next, None)


def _resource(entry: bytes) -> FoundResource:
    address, _, content = entry.decode().partition('","resource":')
    return FoundResource(*address.split("/"), content)


def _shown(page: SearchPage) -> tuple[Any, ...]:
    return [_read(one) for one in page.matches], sorted(map(_read, page.included)), page.total


def _read(found: FoundResource) -> tuple[str, str, str]:
    return found.type, found.id, found.content


def _after(query: SearchQuery, page: SearchPage) -> SearchQuery:
    return SearchQuery(
        **{name: getattr(query, name) for name in SearchQuery.__slots__} | {"cursor": page.next}
    )


@pytest.mark.parametrize(
    "more",
    [
        "_total=accurate",
        "_count=0",
        "_revinclude=Task:part-of",
        "patient=p1",
        "_id=t01",
        "_lastUpdated=ge2026",
        "_summary=true",
        "_elements=status",
    ],
)
async def test_what_asks_for_more_goes_the_general_way(more: str):
    query = asked(f"Task?owner=Organization/hospital&{OPEN}&{more}")
    assert worklist.page_values(query, ["Task"], 1) is None


async def test_what_may_not_come_along_stays_away(store: Store, offers: None):
    query = asked(f"Task?owner=Organization/hospital&{OPEN}&_include=Task:focus&_include=Task:patient")
    page = await read(store, "hospital", query, ["Patient"])
    assert {found.type for found in page.included} == {"Patient"}


async def test_too_much_that_comes_along_is_refused(
    store: Store, offers: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search_store, "MOST_INCLUDED", 2)
    query = asked(f"Task?owner=Organization/hospital&{OPEN}&_include=Task:focus")
    with pytest.raises(InvalidElement, match="more than 2 included"):
        await search_as(store, VersionCache(), "hospital", query, include_types=["ServiceRequest"])


@pytest.mark.parametrize("actor", ["", "stranger", "' OR true --"])
async def test_over_the_wall_it_shows_what_the_facility_sees(store: Store, offers: None, actor: str):
    query = asked(f"Task?requester=Organization/station&{OPEN}&_include=Task:focus&_include=Task:patient")
    page = await read(store, actor, query, sorted(SUPPORTED))
    assert (page.matches, page.included) == ((), ())


async def test_a_page_reads_no_more_rows_among_thousands(store: Store, offers: None):
    async with behind_the_wall(store) as owner:
        # The hospital has ended thousands and has thousands open, as others have; all older than the page.
        await owner.execute(
            "INSERT INTO document SELECT 'Task', 'x' || n, 1, now(), false, '{}', 'station'"
            " FROM generate_series(1, 6000) n;"
            "INSERT INTO access SELECT 'hospital', 'Task', 'x' || n, 'owner', '', now()"
            " FROM generate_series(1, 6000) n;"
            "INSERT INTO search_reference SELECT 'Task', 'x' || n, 'owner', 'Organization',"
            " CASE WHEN n % 3 = 0 THEN 'other' ELSE 'hospital' END,"
            " CASE WHEN n % 3 = 1 THEN NULL ELSE 'requested' END,"
            f" '{START.isoformat()}'::timestamptz - n * interval '1 second'"
            " FROM generate_series(1, 6000) n;"
            "ANALYZE"
        )
    query = asked(f"Task?owner=Organization/hospital&{OPEN}&_count=5&_include=Task:focus")
    values = worklist.page_values(query, ["ServiceRequest"], 10)
    assert values is not None
    async with behind_the_wall(store) as owner, owner.transaction():
        before = await _rows_read(owner)
        (row,) = await owner.fetch(search_store.statement("search", "open_work"), "hospital", *values)
        after = await _rows_read(owner)
    assert len(row["matches"]) == 5
    assert row["more"]
    assert row["along"]
    assert 0 < after - before < 150


async def _rows_read(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    return int(
        await connection.fetchval(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        )
    )
