"""Reading one document: who sees it."""

import pytest

from referral.store.document import read_document, read_versions
from referral.store.pool import Store
from referral.store.version_cache import VersionCache
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


async def keys_of(store: Store, resource_type: str, resource_id: str) -> list[str]:
    """The keys of all versions, the oldest first."""
    async with behind_the_wall(store) as owner:
        rows = await owner.fetch(
            "SELECT version_key(type, id, version, updated_at) FROM ("
            "SELECT type, id, version, updated_at FROM document_version UNION ALL"
            " SELECT type, id, version, updated_at FROM document"
            ") d WHERE type = $1 AND id = $2 ORDER BY version",
            resource_type,
            resource_id,
        )
    return [row[0] for row in rows]


async def test_versions_are_read_by_who_sees_the_document_now(store: Store) -> None:
    """As between the statement that names them and the one that reads them."""
    await put(store, "Patient", "a", ["station", "hospital"], gender="male")
    await put(store, "Patient", "a", ["station", "hospital"], version=2, gender="female")
    await put(store, "Patient", "b", ["station"])
    keys = [*await keys_of(store, "Patient", "a"), *await keys_of(store, "Patient", "b")]
    assert [key.rpartition("/")[0] for key in keys] == ["Patient/a/1", "Patient/a/2", "Patient/b/1"]
    versions = VersionCache()
    found = await read_versions(store, versions, "station", keys)
    assert [found[key].split(b'"gender": ')[1:] for key in keys[:2]] == [
        [b'"male", "resourceType": "Patient"}'],
        [b'"female", "resourceType": "Patient"}'],
    ]
    assert found[keys[1]].startswith(b'Patient/a","resource":{"id": "a"')
    assert versions.find(keys) == (found, [])
    # What one has read fills nothing for another that was not named it; and what is not seen is not kept.
    versions = VersionCache()
    assert (await read_versions(store, versions, "hospital", keys)).keys() == set(keys[:2])
    assert versions.find(keys)[1] == keys[2:]
    async with behind_the_wall(store) as owner:
        await owner.execute("UPDATE access SET until = $1 WHERE facility = 'hospital'", START)
    for facility in ("hospital", "stranger", ""):
        versions = VersionCache()
        assert await read_versions(store, versions, facility, keys) == {}
        assert versions.find(keys) == ({}, keys)


async def test_a_version_is_known_by_its_time_too(store: Store) -> None:
    """A database that was restored counts its versions anew."""
    await put(store, "Patient", "a", gender="male")
    (key,) = await keys_of(store, "Patient", "a")
    versions = VersionCache()
    await read_versions(store, versions, "station", [key])
    async with behind_the_wall(store) as owner:
        await owner.execute("UPDATE document SET updated_at = now(), content = '{}'")
    (other,) = await keys_of(store, "Patient", "a")
    found = await read_versions(store, versions, "station", [other])
    assert found == {other: b'Patient/a","resource":{}'}
    assert await read_versions(store, VersionCache(), "station", [key]) == {other: found[other]}
