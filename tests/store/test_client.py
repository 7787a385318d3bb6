"""Clients, tokens and used assertions in the database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from referral.actions.add_client import add_client, generate_keys, list_clients
from referral.domain.actor import Actor, Client
from referral.domain.errors import BrokenRule, Duplicate
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.store import client as client_store
from referral.store.pool import Store
from tests.owner import behind_the_wall

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
STATION = FacilityId("station-1")


@pytest.fixture
async def client(store: Store) -> Client:
    async with store.writing(None) as connection:
        await connection.execute("INSERT INTO facility (id, name) VALUES ($1, 'Station 1')", STATION)
        await connection.execute(
            "INSERT INTO network (id, name, prefix, policy, updated_at)"
            " VALUES ('office-1', 'Net', 'NE', '{}', $1)",
            NOW,
        )
    return await register(store)


async def register(store: Store, **changes: object) -> Client:
    given = {
        "client_id": "ehr-1",
        "facility": STATION,
        "name": "EHR of station 1",
        "scope": "system/*.cruds",
        "jwks": {"keys": [generate_keys()[1]]},
        "now": NOW,
    }
    return await add_client(store, **{**given, **changes})  # type: ignore[arg-type]


async def issue(store: Store, client: Client, assertion_id: str, now: datetime, token_hash: bytes) -> bool:
    async with store.writing(None) as connection:
        return await client_store.issue_token(
            connection,
            Actor(client.facility, client.id, read_scopes("system/Task.rs")),
            token_hash=token_hash,
            issued_at=now,
            expires_at=now + timedelta(seconds=300),
            assertion_id=assertion_id,
            assertion_ends_at=now + timedelta(seconds=330),
            request_id="request-1",
        )


async def test_a_client_is_found_as_it_was_added(store: Store, client: Client) -> None:
    async with store.reading(None) as connection:
        assert await client_store.find_client(connection, "ehr-1") == client
        assert await client_store.find_client(connection, "ehr-2") is None
    assert await list_clients(store) == (client,)


async def test_adding_a_client_leaves_an_audit_row(store: Store, client: Client) -> None:
    async with behind_the_wall(store) as connection:
        rows = await connection.fetch("SELECT at, client, action FROM audit")
    assert [tuple(row) for row in rows] == [(NOW, "ehr-1", "client-add")]


async def test_a_client_without_an_id_gets_one_and_an_office_may_have_clients(
    store: Store, client: Client
) -> None:
    made = [await register(store, client_id=None, facility=FacilityId("office-1")) for _ in range(2)]
    assert made[0].id != made[1].id
    assert {found.id for found in await list_clients(store)} == {"ehr-1", made[0].id, made[1].id}


async def test_an_id_is_given_once(store: Store, client: Client) -> None:
    with pytest.raises(Duplicate, match="ehr-1"):
        await register(store, name="another")
    assert await list_clients(store) == (client,)


@pytest.mark.parametrize("facility", ["nowhere", "nul\0", ""])
async def test_a_client_belongs_to_a_known_facility(store: Store, client: Client, facility: str) -> None:
    with pytest.raises(BrokenRule, match="no facility"):
        await register(store, client_id="ehr-2", facility=FacilityId(facility))
    assert await list_clients(store) == (client,)


async def test_a_token_is_found_until_it_expires(store: Store, client: Client) -> None:
    assert await issue(store, client, "a", NOW, b"hash")
    async with store.reading(None) as connection:
        found = await client_store.find_token(connection, b"hash", NOW + timedelta(seconds=299))
        assert found is not None
        actor, expires_at = found
        assert (actor.facility, actor.client, str(actor.scope)) == (STATION, "ehr-1", "system/Task.rs")
        assert expires_at == NOW + timedelta(seconds=300)
        assert await client_store.find_token(connection, b"hash", expires_at) is None
        assert await client_store.find_token(connection, b"other", NOW) is None


async def test_a_token_of_a_client_switched_off_is_not_found(store: Store, client: Client) -> None:
    assert await issue(store, client, "a", NOW, b"hash")
    async with store.writing(None) as connection:
        await connection.execute("UPDATE client SET active = false")
        assert await client_store.find_token(connection, b"hash", NOW) is None


async def test_an_assertion_is_good_for_one_token_also_at_the_same_moment(
    store: Store, client: Client
) -> None:
    hashes = [bytes([number]) for number in range(8)]
    issued = await asyncio.gather(*(issue(store, client, "twin", NOW, one) for one in hashes))
    assert sum(issued) == 1
    async with behind_the_wall(store) as connection:
        assert await connection.fetchval("SELECT hash FROM access_token") == hashes[issued.index(True)]
        assert await connection.fetchval("SELECT count(*) FROM audit WHERE action = 'token'") == 1


async def test_what_is_past_its_time_is_removed_with_the_next_token(store: Store, client: Client) -> None:
    assert await issue(store, client, "old", NOW, b"old")
    assert await issue(store, client, "also old", NOW, b"also old")
    later = NOW + timedelta(seconds=330)
    assert await issue(store, client, "new", later, b"new")
    async with store.reading(None) as connection:
        assert await connection.fetchval("SELECT array_agg(jti) FROM assertion_id") == ["new"]
        assert await connection.fetchval("SELECT array_agg(hash) FROM access_token") == [b"new"]


async def test_many_tokens_at_once_with_old_rows_to_remove(store: Store, client: Client) -> None:
    for number in range(20):
        assert await issue(store, client, f"old {number}", NOW, b"old" + bytes([number]))
    later = NOW + timedelta(hours=1)
    new = (issue(store, client, f"new {number}", later, b"new" + bytes([number])) for number in range(20))
    assert all(await asyncio.gather(*new))
