"""Reading one document: who sees it."""

import pytest

from referral.store.document import read_document
from referral.store.pool import Store
from tests.owner import behind_the_wall
from tests.store.documents import START, add_network, put


async def seen(store: Store, facility: str, resource_type: str, resource_id: str = "a") -> bool:
    return await read_document(store, facility, resource_type, resource_id) is not None


async def test_the_newest_version_is_read_as_it_stands(store: Store) -> None:
    await put(store, "Patient", "a", at=START, gender="male")
    await put(store, "Patient", "a", version=2, at=START.replace(hour=9), gender="female")
    found = await read_document(store, "station", "Patient", "a")
    assert found is not None
    assert (found.version, found.updated_at, found.deleted) == (2, START.replace(hour=9), False)
    assert found.content == '{"id": "a", "gender": "female", "resourceType": "Patient"}'


async def test_a_clinical_document_is_seen_by_whom_access_names(store: Store) -> None:
    await put(store, "Patient", "a", ["station", "hospital"])
    assert await seen(store, "station", "Patient")
    assert await seen(store, "hospital", "Patient")
    assert not await seen(store, "stranger", "Patient")
    assert not await seen(store, "station", "Patient", "b")
    assert not await seen(store, "station", "Task")


async def test_access_that_ended_shows_nothing(store: Store) -> None:
    await put(store, "Patient", "a", ["station", "hospital"])
    async with behind_the_wall(store) as connection:
        await connection.execute("UPDATE access SET until = $1 WHERE facility = 'hospital'", START)
    assert not await seen(store, "hospital", "Patient")
    assert await seen(store, "station", "Patient")


async def test_the_directory_is_seen_by_members_and_office_of_its_network(store: Store) -> None:
    await add_network(store, "north", "NO", ["station", "hospital"])
    await add_network(store, "south", "SO", ["hospital", "stranger"])
    await put(store, "Organization", "a", ["north"])
    for facility, sees in {"station": True, "hospital": True, "north": True, "stranger": False}.items():
        assert await seen(store, facility, "Organization") is sees


@pytest.mark.parametrize("day", ["valid_to = current_date - 1", "valid_from = current_date + 1"])
async def test_who_is_no_member_today_sees_no_directory(store: Store, day: str) -> None:
    await add_network(store, "north", "NO", ["station"])
    await put(store, "Organization", "a", ["north"])
    async with behind_the_wall(store) as connection:
        await connection.execute(f"UPDATE membership SET {day}")
    assert not await seen(store, "station", "Organization")


async def test_what_is_deleted_is_told_to_whom_it_was_visible(store: Store) -> None:
    await put(store, "Patient", "a")
    await put(store, "Patient", "a", version=2, deleted=True)
    found = await read_document(store, "station", "Patient", "a")
    assert found is not None
    assert found.deleted
    assert not await seen(store, "stranger", "Patient")
