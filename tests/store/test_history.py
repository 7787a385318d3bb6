"""The changes of a type: in the order of commits, up to what is under way, for who sees them."""

from datetime import datetime, timedelta

import asyncpg
import pytest

from referral.store import history
from referral.store.change_set import ChangeSet
from referral.store.history import Place, TypePage, instance_history, read_version, type_history
from referral.store.pool import Store
from tests.conftest import Database
from tests.owner import behind_the_wall
from tests.store.documents import START, add_document, add_network, put, write


async def pages(
    store: Store, facility: str, resource_type: str, count: int = 2, since: datetime | None = None
) -> list[TypePage]:
    found = [await type_history(store, facility, resource_type, count=count, since=since)]
    while found[-1].next is not None:
        found.append(
            await type_history(store, facility, resource_type, count=count, since=since, after=found[-1].next)
        )
    return found


async def changes(
    store: Store, facility: str, resource_type: str, count: int = 2, since: datetime | None = None
) -> list[str]:
    """Every change as `id/version`, through all pages."""
    found = await pages(store, facility, resource_type, count, since)
    return [f"{one.id}/{one.version}" for page in found for one in page.changes]


@pytest.mark.parametrize("count", [1, 2, 3, 100])
async def test_a_history_is_of_one_type_and_of_what_is_seen(store: Store, count: int) -> None:
    await put(store, "Patient", "a")
    await put(store, "Patient", "b", ["hospital"])
    await put(store, "Observation", "a")
    await put(store, "Patient", "a", version=2)
    await put(store, "Patient", "c")
    await put(store, "Patient", "a", version=3, deleted=True)
    assert await changes(store, "station", "Patient", count) == ["a/3", "c/1", "a/2", "a/1"]
    assert await changes(store, "hospital", "Patient", count) == ["b/1"]
    assert await changes(store, "stranger", "Patient", count) == []


async def test_the_rows_of_one_transaction_stay_in_their_order(store: Store) -> None:
    together = ChangeSet()
    for name in ("a", "b", "c"):
        add_document(together, "Patient", name)
    await write(store, together)
    assert await changes(store, "station", "Patient", 1) == ["c/1", "b/1", "a/1"]


async def test_what_is_under_way_holds_back_all_that_began_later(store: Store, database: Database) -> None:
    await put(store, "Patient", "a")
    slow = await asyncpg.connect(database.owner_dsn)
    transaction = slow.transaction()
    await transaction.start()
    # It has its place in the order from now on.
    await slow.fetchval("SELECT pg_current_xact_id()")
    await put(store, "Patient", "b")
    assert await changes(store, "station", "Patient") == ["a/1"]
    assert await changes(store, "station", "Patient", since=START) == ["a/1"]
    await transaction.rollback()
    await slow.close()
    assert await changes(store, "station", "Patient") == ["b/1", "a/1"]


async def test_what_is_read_on_neither_skips_nor_repeats_while_others_write(store: Store) -> None:
    for number in range(6):
        await put(store, "Patient", f"p{number}")
    first = await type_history(store, "station", "Patient", count=2)
    await put(store, "Patient", "p0", version=2)
    await put(store, "Patient", "new")
    seen, following = list(first.changes), first.next
    while following is not None:
        page = await type_history(store, "station", "Patient", count=2, after=following)
        seen += page.changes
        following = page.next
    assert [f"{one.id}/{one.version}" for one in seen] == [f"p{number}/1" for number in (5, 4, 3, 2, 1, 0)]


async def test_since_goes_by_the_time_of_each_though_a_clock_was_set_back(store: Store) -> None:
    hour = timedelta(hours=1)
    for name, at in (("a", START), ("b", START + 3 * hour), ("c", START + hour), ("d", START + 2 * hour)):
        await put(store, "Patient", name, at=at)
    assert await changes(store, "station", "Patient", 1, START + 2 * hour) == ["d/1", "b/1"]
    assert await changes(store, "station", "Patient", 1, START) == ["d/1", "c/1", "b/1", "a/1"]
    assert await changes(store, "station", "Patient", 1, START + 4 * hour) == []


async def test_who_hardly_sees_any_is_led_on_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MOST_LOOKED_AT", 3)
    await put(store, "Patient", "mine")
    for number in range(7):
        await put(store, "Patient", f"p{number}", ["hospital"])
    found = await pages(store, "station", "Patient")
    assert [[one.id for one in page.changes] for page in found] == [[], [], ["mine"]]
    assert await changes(store, "hospital", "Patient", 2) == [f"p{n}/1" for n in (6, 5, 4, 3, 2, 1, 0)]


async def test_content_is_that_of_the_version(store: Store) -> None:
    await put(store, "Patient", "a", gender="male")
    await put(store, "Patient", "a", version=2, gender="female")
    await put(store, "Patient", "a", version=3, deleted=True)
    page = await type_history(store, "station", "Patient", count=10)
    assert [one.content and '"male"' in one.content for one in page.changes] == [None, False, True]
    assert [one.kind for one in page.changes] == ["delete", "update", "create"]
    instance = await instance_history(store, "station", "Patient", "a", count=10)
    assert instance is not None
    told = [(one.version, one.kind) for one in instance.changes]
    assert told == [(3, "delete"), (2, "update"), (1, "create")]
    assert await instance_history(store, "stranger", "Patient", "a", count=10) is None
    for version, seen in {0: False, 1: True, 3: True, 4: False, 2**31: False, -1: False}.items():
        assert (await read_version(store, "station", "Patient", "a", version) is not None) is seen
        assert await read_version(store, "stranger", "Patient", "a", version) is None


async def test_the_directory_is_told_to_members_of_today(store: Store) -> None:
    await add_network(store, "north", "NO", ["station", "hospital"])
    await put(store, "Location", "a", ["north"])
    await put(store, "Location", "a", ["north"], version=2)
    for facility in ("station", "hospital", "north"):
        assert await changes(store, facility, "Location") == ["a/2", "a/1"]
        assert await read_version(store, facility, "Location", "a", 1) is not None
    async with behind_the_wall(store) as connection:
        await connection.execute(
            "UPDATE membership SET valid_to = current_date - 1 WHERE facility = 'hospital'"
        )
    assert await changes(store, "hospital", "Location") == []
    assert await read_version(store, "hospital", "Location", "a", 1) is None
    assert await instance_history(store, "hospital", "Location", "a", count=1) is None


async def test_a_place_that_nobody_was_given_shows_no_more(store: Store) -> None:
    await put(store, "Patient", "a")
    for place in (Place(0, 0, 0), Place(2**63 - 1, 2**63 - 1, 0), Place(2**63 - 1, 1, 2**63 - 1)):
        found = await type_history(store, "stranger", "Patient", count=1, after=place)
        assert found.changes == ()
