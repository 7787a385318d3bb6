"""Answers that are kept: in the write's transaction, for 48 hours, for the facility that was answered."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest

from referral.actions.draft import Draft, Written
from referral.actions.new_id import new_id
from referral.actions.referral_rules import program_rules
from referral.actions.write_resources import write_resources
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, StaleVersion
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.store.pool import Store
from referral.store.replay import Answer, Once, find_replay
from tests.conftest import Database
from tests.factories import patient, request
from tests.owner import behind_the_wall
from tests.store.commands import HOSPITAL, START, STATION, Hub
from tests.store.message_counter import MessageCounter, counted

KEPT = timedelta(hours=48)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def once(key: str = "key", body: str = "body", at: datetime = START) -> Once:
    return Once(digest(key), digest(body), at)


def answer_of(written: list[Written]) -> Answer:
    return Answer(201, {"ETag": 'W/"1"', "Location": written[0].id}, written[0].content)


async def write(store: Store, draft: Draft, same: Once, facility: FacilityId = STATION) -> Answer:
    return await write_resources(
        store,
        [draft],
        actor=Actor(facility, f"ehr-{facility}", read_scopes("system/*.cruds")),
        base="http://hub.example/fhir",
        now=same.at,
        new_id=lambda: new_id(same.at),
        request_id=None,
        render=answer_of,
        rules=program_rules,
        once=same,
    )


@pytest.fixture
async def hub(store: Store) -> Hub:
    """The small network."""
    hub = Hub(store)
    await hub.prepare()
    return hub


async def count(hub: Hub, table: str = "replay") -> int:
    (row,) = await hub.rows(f"SELECT count(*) FROM {table}")
    return int(row["count"])


async def test_an_answer_comes_back_byte_for_byte(hub: Hub) -> None:
    # What JSON and SQL treat in their own way.
    draft = hub.new(patient(name=[{"family": 'Đỗ "\\" 😀', "text": "a\tb\nc\u2028d'$1 %s"}]))
    first = await write(hub.store, draft, once())
    again = await write(hub.store, hub.new(patient()), once())
    assert again == replace(first, replayed=True)
    assert not first.replayed
    assert await count(hub) == 1


async def test_it_is_given_again_for_48_hours(hub: Hub) -> None:
    first = await write(hub.store, hub.new(patient()), once())
    last = once(at=START + KEPT - timedelta(milliseconds=1))
    assert (await write(hub.store, hub.new(patient()), last)).body == first.body
    # Looking does not make it younger, and a clock that was set back does not end it.
    later = await write(hub.store, hub.new(patient()), once(at=START + KEPT))
    assert not later.replayed
    assert later.body != first.body
    early = await write(hub.store, hub.new(patient()), once(at=START - timedelta(days=3)))
    assert early == replace(later, replayed=True)
    assert await count(hub) == 1


async def test_what_is_past_its_time_goes_by_and_by(hub: Hub) -> None:
    for number in range(3):
        await write(hub.store, hub.new(patient()), once(f"old {number}"))
    (row,) = await hub.rows("SELECT facility, request, answer::text AS answer FROM replay LIMIT 1")
    async with behind_the_wall(hub.store) as owner:
        await owner.executemany(
            "INSERT INTO replay VALUES ($1, $2, $3, $4, $5::text::jsonb)",
            [
                (
                    bytes.fromhex(digest(f"older {number}")),
                    row["facility"],
                    row["request"],
                    START,
                    row["answer"],
                )
                for number in range(22)
            ],
        )
    left = []
    for number in range(4):
        await write(hub.store, hub.new(patient()), once(f"new {number}", at=START + KEPT))
        left.append(await count(hub))
    # A write takes ten away, and leaves its own.
    assert left == [16, 7, 3, 4]


async def test_a_write_that_fails_keeps_nothing(hub: Hub) -> None:
    who = hub.new(patient())
    await write(hub.store, who, once("first"))
    stale = Draft("Patient", who.id, patient(id=who.id), is_create=False, expected=7)
    with pytest.raises(StaleVersion):
        await write(hub.store, stale, once("stale"))
    # It fails at its end too: the id is taken.
    with pytest.raises(StaleVersion):
        await write(hub.store, who, once("taken"))
    assert await count(hub) == 1


async def test_another_request_under_the_same_key(hub: Hub) -> None:
    await write(hub.store, hub.new(patient()), once())
    before = await count(hub, "document")
    with pytest.raises(BrokenRule, match="Idempotency-Key"):
        await write(hub.store, hub.new(patient()), once(body="another"))
    assert await count(hub, "document") == before


async def test_the_answer_of_one_facility_is_not_found_by_another(hub: Hub) -> None:
    first = await write(hub.store, hub.new(patient()), once())
    for actor in (HOSPITAL, None):
        async with hub.store.reading(actor) as connection:
            assert await find_replay(connection, once()) is None
    async with hub.store.reading(STATION) as connection:
        assert await find_replay(connection, once()) == replace(first, replayed=True)


async def test_the_service_has_no_right_to_the_table(hub: Hub) -> None:
    asked = once().asked()
    for sql in (
        "SELECT FROM replay",
        "INSERT INTO replay SELECT",
        "UPDATE replay SET at = now()",
        "DELETE FROM replay",
        f"SELECT keep_replay('{json.dumps(asked)}')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with hub.store.writing(STATION) as connection:
                await connection.execute(sql)


async def test_a_twin_waits_for_the_one_before(hub: Hub) -> None:
    async with hub.store.writing(STATION) as connection:
        assert await find_replay(connection, once()) is None
        twin = asyncio.create_task(write(hub.store, hub.new(patient()), once()))
        other = await write(hub.store, hub.new(patient()), once("another"))
        assert not other.replayed
        await asyncio.sleep(0.1)
        assert not twin.done()
    # The one before has kept nothing.
    assert not (await twin).replayed


@pytest.fixture
async def counting(store: Store, database: Database) -> AsyncIterator[tuple[Hub, MessageCounter]]:
    """The small network behind a store of one connection on which the statements are prepared."""
    async with counted(database.dsn) as (dsn, counter):
        through = await Store.open(dsn, size=1)
        hub = Hub(through)
        await hub.prepare()
        await write(through, hub.new(patient()), once("prepared"))
        counter.reset()
        yield hub, counter
        await through.close()


async def test_it_costs_no_message(counting: tuple[Hub, MessageCounter]) -> None:
    hub, counter = counting
    who = hub.new(patient())
    await write(hub.store, who, once())
    assert (counter.round_trips, counter.prepared) == (4, 0)
    counter.reset()
    assert (await write(hub.store, who, once())).replayed
    assert (counter.round_trips, counter.prepared) == (3, 0)
    counter.reset()
    await write(hub.store, hub.new(request(who.id, HOSPITAL)), once("placed"))
    assert (counter.round_trips, counter.prepared) == (4, 0)
