"""Writes that come at once: one transaction, and each as if it were alone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import pytest

from referral.actions.draft import Draft, Written
from referral.domain.errors import BrokenRule, Duplicate
from referral.store.change_set import ChangeSet, WriteRequest, load_for_write
from referral.store.pool import Store
from referral.store.replay import Answer
from referral.store.write_together import Command
from tests.conftest import Database
from tests.factories import observation, patient, request
from tests.store.commands import HOSPITAL, STATION, Hub, content_of
from tests.store.message_counter import counted
from tests.store.test_replay import once, write

T = TypeVar("T")


@pytest.fixture
async def hub(store: Store) -> Hub:
    """The small network."""
    found = Hub(store)
    await found.prepare()
    return found


@asynccontextmanager
async def held_up(store: Store) -> AsyncIterator[None]:
    """Inside, every write that could go with others waits; all of them are taken together afterwards."""
    held: list[tuple[asyncio.Event, asyncio.Task[None]]] = []
    nobody = Command(WriteRequest(""), lambda _: (ChangeSet(), Answer(200, {}, b"")))
    while store.commands._free:
        free = asyncio.Event()
        held.append((free, asyncio.create_task(store.commands.take(nobody, partial(_until, free)))))
        await asyncio.sleep(0)
    try:
        yield
    finally:
        for free, task in held:
            free.set()
            await task
            # Who leads now has taken all who came.
            await _waiting(store, 0)


async def _until(free: asyncio.Event, _commands: list[Command]) -> None:
    await free.wait()


async def _waiting(store: Store, wanted: int) -> None:
    """Go on as soon as so many wait."""
    while store.commands.waiting != wanted:  # noqa: ASYNC110 - whoever comes next is a task of this loop
        await asyncio.sleep(0)


async def at_once(store: Store, *writes: Coroutine[Any, Any, T]) -> list[T | BaseException]:
    """What becomes of writes that are done in one transaction."""
    async with held_up(store):
        tasks = [asyncio.create_task(write) for write in writes]
        await _waiting(store, len(tasks))
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_writes_are_as_many_messages_as_one(hub: Hub, database: Database) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    async with counted(database.dsn) as (dsn, counter):
        store = await Store.open(dsn, size=1)
        several = Hub(store)

        def writes() -> list[Coroutine[Any, Any, list[Written]]]:
            return [
                *(several.write(STATION, hub.new(request(who.id, HOSPITAL))) for _ in range(3)),
                several.write(HOSPITAL, hub.new(patient())),
                several.write(STATION, hub.new(observation(who.id))),
            ]

        await at_once(store, *writes())  # prepares
        counter.reset()
        found = await at_once(store, *writes())
        assert counter.round_trips == 4
        await store.close()
    keys = [
        (one.type, one.id) for written in found if not isinstance(written, BaseException) for one in written
    ]
    assert len(keys) == 5
    rows = await hub.rows(
        "SELECT d.owner, a.actor, a.client, count(DISTINCT e.seq) AS changes, min(d.txid::text) AS txid"
        " FROM unnest($1::text[]) AS n (id) JOIN document d ON d.id = n.id"
        " JOIN audit a ON a.id = d.id JOIN change e ON e.id = d.id GROUP BY d.id, d.owner, a.actor, a.client",
        [key[1] for key in keys],
    )
    assert sorted((row["owner"], row["actor"], row["client"], row["changes"]) for row in rows) == sorted(
        (facility, facility, f"ehr-{facility}", 1) for facility in (*[STATION] * 4, HOSPITAL)
    )
    assert len({row["txid"] for row in rows}) == 1
    offers = await hub.rows("SELECT referral FROM offer WHERE state = 'requested'")
    assert len({row["referral"] for row in offers}) == 6


async def test_one_that_is_refused_hinders_nobody(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    number = {"identifier": [{"system": "http://station.example/orders", "value": "A-1"}]}
    cases: list[tuple[Draft, Draft, type[Exception]]] = [
        # By what it names, by the database alone.
        (hub.new(observation(who.id)), hub.new(request("nobody", HOSPITAL)), BrokenRule),
        (
            hub.new(request(who.id, HOSPITAL, **number)),
            hub.new(request(who.id, HOSPITAL, **number)),
            Duplicate,
        ),
    ]
    for good, bad, refusal in cases:
        kept = hub.new(observation(who.id))
        found = await at_once(hub.store, *(hub.write(STATION, draft) for draft in (kept, good, bad)))
        assert [type(one) for one in found].count(refusal) == 1
        assert [type(one) for one in found].count(list) == 2
        ids = [draft.id for draft in (kept, good, bad)]
        rows = await hub.rows("SELECT id, version FROM document WHERE id = ANY ($1)", ids)
        assert [row["version"] for row in rows] == [1, 1]
        assert kept.id in {row["id"] for row in rows}


async def test_two_that_change_one_thing_meet_as_if_they_came_one_by_one(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    task = await hub.content("Task")

    def moves() -> list[Coroutine[Any, Any, list[Written]]]:
        return [hub.write(HOSPITAL, hub.change(task, status=status)) for status in ("received", "accepted")]

    found = await at_once(hub.store, *moves())
    assert sorted(type(one).__name__ for one in found) == ["StaleVersion", "list"]
    assert (await hub.content("Task"))["meta"]["versionId"] == "2"
    # Of an offer and of its referral: both wait for the referral.
    asked = await hub.content("ServiceRequest")
    task = await hub.content("Task")
    found = await at_once(
        hub.store,
        hub.write(STATION, hub.change(asked, note=[{"text": "She walks"}])),
        hub.write(HOSPITAL, hub.change(task, status="accepted")),
    )
    assert [type(one) for one in found] == [list, list]
    assert (await hub.content("Task"))["status"] == "accepted"
    events = await hub.rows("SELECT version FROM event WHERE id = $1 ORDER BY version", task["id"])
    assert [row["version"] for row in events] == [1, 2, 3]


async def test_twins_are_one_write(hub: Hub) -> None:
    found = await at_once(
        hub.store,
        *(write(hub.store, hub.new(patient()), once()) for _ in range(2)),
        write(hub.store, hub.new(patient()), once("key", "another body")),
        write(hub.store, hub.new(patient()), once("other"), HOSPITAL),
    )
    answers = [one for one in found if isinstance(one, Answer)]
    assert sorted(answer.replayed for answer in answers) == [False, False, True]
    assert [type(one) for one in found if isinstance(one, BaseException)] == [BrokenRule]
    rows = await hub.rows("SELECT facility FROM replay")
    assert sorted(row["facility"] for row in rows) == sorted([STATION, HOSPITAL])
    assert len(await hub.rows("SELECT FROM document WHERE type = 'Patient'")) == 2
    # Of several that were kept at once, each is found again.
    again = await at_once(
        hub.store,
        write(hub.store, hub.new(patient()), once()),
        write(hub.store, hub.new(patient()), once("other"), HOSPITAL),
    )
    assert [isinstance(one, Answer) and one.replayed for one in again] == [True, True]


async def test_who_waits_for_a_lock_keeps_nobody_waiting(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    task = await hub.content("Task")
    async with hub.store.writing(HOSPITAL) as connection:
        await load_for_write(connection, WriteRequest(HOSPITAL, focus=[task["id"]]))
        async with held_up(hub.store):
            move = asyncio.create_task(hub.write(HOSPITAL, hub.change(task, status="accepted")))
            other = asyncio.create_task(hub.write(STATION, hub.new(patient())))
            await _waiting(hub.store, 2)
        await other
        assert not move.done()
    (moved,) = await move
    assert content_of(moved)["status"] == "accepted"


async def test_who_leads_and_goes_leaves_nobody_behind(hub: Hub) -> None:
    async with held_up(hub.store):
        leads = asyncio.create_task(hub.write(STATION, hub.new(patient())))
        await asyncio.sleep(0)
        other = asyncio.create_task(hub.write(STATION, hub.new(patient())))
        await _waiting(hub.store, 2)
    leads.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leads
    await asyncio.gather(other, return_exceptions=True)
    await hub.write(STATION, hub.new(patient()))


async def test_what_ends_a_right_is_written_by_itself(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    task, asked, record = await hub.content("Task"), hub.new(patient()), hub.new(observation(who.id))
    why = {"statusReason": {"text": "No bed is free"}}
    found = await at_once(
        hub.store,
        hub.write(STATION, asked),
        hub.write(HOSPITAL, hub.change(task, status="rejected", **why)),
        hub.write(STATION, record),
    )
    assert [type(one) for one in found] == [list, list, list]
    rows = await hub.rows(
        "SELECT id, txid::text AS txid FROM document WHERE id = ANY ($1)", [task["id"], asked.id, record.id]
    )
    written = {row["id"]: row["txid"] for row in rows}
    assert written[asked.id] == written[record.id] != written[task["id"]]
    assert (await hub.content("Task"))["status"] == "rejected"
