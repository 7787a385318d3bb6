"""Writes that come at once: one transaction, and each as if it were alone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import asyncpg
import pytest

from referral.actions.draft import Draft, Written
from referral.domain.errors import BrokenRule, Duplicate, StaleVersion, StoreUnavailable
from referral.fhir.systems import STATUS_REASON_EXTENSION
from referral.store.change_set import ChangeSet, Loaded, WriteRequest, apply_changes, load_for_write
from referral.store.pool import Store
from referral.store.replay import Answer
from referral.store.write_together import Command, write_together
from tests.conftest import Database
from tests.factories import observation, patient, request
from tests.owner import behind_the_wall
from tests.store.commands import HOSPITAL, STATION, Hub, content_of
from tests.store.message_counter import counted
from tests.store.test_change_set import document
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


@asynccontextmanager
async def stopped_in(hub: Hub, draft: Draft, mighty_dsn: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Inside, a transaction of several stops where it writes the draft; a superuser, for `pid_of`, to act."""
    # Such a lock is one database's.
    mighty = await asyncpg.connect(mighty_dsn.replace("@/postgres?", "@/referral?"))
    await mighty.execute("SELECT pg_advisory_lock(424242)")
    async with behind_the_wall(hub.store) as owner:
        await owner.execute(
            "CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " WHILE current_setting('lock_timeout') = '100ms' AND NOT pg_try_advisory_xact_lock(424242) LOOP"
            " PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$;"
            "CREATE TRIGGER stop_here BEFORE INSERT ON document FOR EACH ROW"
            f" WHEN (NEW.id = '{draft.id}') EXECUTE FUNCTION stop_here()"
        )
        try:
            yield mighty
        finally:
            await mighty.close()
            await owner.execute("DROP FUNCTION stop_here() CASCADE")


async def pid_of(mighty: "asyncpg.Connection[Any]") -> int:
    """The process that has stopped, as soon as it has."""
    stopped = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%apply_changes%'"
    async with asyncio.timeout(60):
        while (pid := await mighty.fetchval(stopped)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    return int(pid)


async def written_in(hub: Hub, drafts: list[Draft]) -> list[str]:
    """The transactions in which they were written, each with one row of the audit."""
    rows = await hub.rows(
        "SELECT d.txid::text AS txid, count(*) AS audits FROM document d JOIN audit a ON a.id = d.id"
        " WHERE d.id = ANY ($1) GROUP BY d.id, d.txid",
        [draft.id for draft in drafts],
    )
    assert [row["audits"] for row in rows] == [1] * len(drafts)
    return [row["txid"] for row in rows]


async def test_who_leads_and_goes_takes_nobody_along(hub: Hub, superuser_dsn: str) -> None:
    drafts = [hub.new(patient()) for _ in range(3)]
    async with stopped_in(hub, drafts[1], superuser_dsn) as mighty:
        async with held_up(hub.store):
            leads, *others = [asyncio.create_task(hub.write(STATION, draft)) for draft in drafts]
            await _waiting(hub.store, 3)
        await pid_of(mighty)
        leads.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leads
        await mighty.execute("SELECT pg_advisory_unlock(424242)")
        for task in others:
            assert len(await task) == 1
    # What he sent is written, too.
    assert len(set(await written_in(hub, drafts))) == 1


@pytest.mark.parametrize(
    ("ended_by", "count", "away"),
    [
        ("pg_cancel_backend", 3, 0),
        ("pg_cancel_backend", 1, 0),
        ("pg_terminate_backend", 3, 0),
        ("pg_terminate_backend", 1, 1),
    ],
)
async def test_what_is_surely_undone_is_done_by_each(
    hub: Hub, superuser_dsn: str, ended_by: str, count: int, away: int
) -> None:
    drafts = [hub.new(patient()) for _ in range(count)]
    async with stopped_in(hub, drafts[-1], superuser_dsn) as mighty:
        async with held_up(hub.store):
            tasks = [asyncio.create_task(hub.write(STATION, draft)) for draft in drafts]
            await _waiting(hub.store, count)
        await mighty.execute(f"SELECT {ended_by}($1)", await pid_of(mighty))
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable if away else list] * count
    if not away:
        assert len(set(await written_in(hub, drafts))) == count


async def test_what_may_be_committed_is_done_once(hub: Hub, database: Database) -> None:
    drafts = [hub.new(patient()) for _ in range(3)]
    async with counted(database.dsn) as (dsn, counter):
        store = await Store.open(dsn, size=1)

        def writes() -> list[Coroutine[Any, Any, Answer]]:
            return [write(store, draft, once(draft.id)) for draft in drafts]

        counter.lose_commit()
        lost = await at_once(store, *writes())
        again = [await each for each in writes()]
        await store.close()
    assert [type(one) for one in lost] == [StoreUnavailable] * 3
    # Who raises one writes into it.
    assert len({id(one) for one in lost}) == 3
    assert [answer.replayed for answer in again] == [True] * 3
    assert [answer.headers["Location"] for answer in again] == [draft.id for draft in drafts]
    assert len(set(await written_in(hub, drafts))) == 1


async def test_who_waits_for_an_id_of_somebody_else_keeps_nobody_waiting(hub: Hub) -> None:
    taken, other = hub.new(patient()), hub.new(patient())
    async with hub.store.writing(STATION) as connection:
        await apply_changes(connection, ChangeSet(documents=[document(taken.id, 1)]))
        async with held_up(hub.store):
            late = asyncio.create_task(hub.write(STATION, taken))
            task = asyncio.create_task(hub.write(STATION, other))
            await _waiting(hub.store, 2)
        await task
        assert not late.done()
    with pytest.raises(StaleVersion):
        await late


async def test_ids_are_taken_in_one_order(hub: Hub) -> None:
    drafts = [hub.new(patient()) for _ in range(3)]
    await at_once(hub.store, *(hub.write(STATION, draft) for draft in reversed(drafts)))
    rows = await hub.rows("SELECT id FROM change WHERE type = 'Patient' ORDER BY seq")
    assert [row["id"] for row in rows] == sorted(draft.id for draft in drafts)
    assert len(set(await written_in(hub, drafts))) == 1


async def test_others_are_served_between_two_decisions(hub: Hub) -> None:
    told: list[str] = []

    def decide(_: Loaded) -> tuple[ChangeSet, Answer]:
        asyncio.get_running_loop().call_soon(told.append, "other")
        told.append("decision")
        return ChangeSet(), Answer(200, {}, b"")

    commands = [Command(WriteRequest(STATION), decide) for _ in range(3)]
    await at_once(hub.store, *(write_together(hub.store, command) for command in commands))
    assert told == ["decision", "other"] * 3


async def test_each_is_judged_by_its_own_eyes(hub: Hub) -> None:
    (hidden,) = await hub.write(STATION, hub.new(patient()))
    (own,) = await hub.write(HOSPITAL, hub.new(patient()))
    cases = [(STATION, hidden), (HOSPITAL, hidden), (STATION, hidden), (STATION, own), (HOSPITAL, own)]
    drafts = [hub.new(observation(who.id)) for _, who in cases]
    found = await at_once(
        hub.store,
        *(hub.write(facility, draft) for (facility, _), draft in zip(cases, drafts, strict=True)),
    )
    assert [type(one) for one in found] == [list, BrokenRule, list, BrokenRule, list]
    # As what does not exist.
    (unknown,) = await at_once(hub.store, hub.write(HOSPITAL, hub.new(observation("nobody"))))
    assert str(found[1]).replace(hidden.id, "nobody") == str(unknown)
    assert len(set(await written_in(hub, [drafts[0], drafts[2], drafts[4]]))) == 1
    assert not await hub.rows("SELECT FROM document WHERE id = ANY ($1)", [drafts[1].id, drafts[3].id])


async def test_what_takes_turns_with_others_is_written_by_itself(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    asked, record = hub.new(patient()), hub.new(observation(who.id))
    # Under an id of its author somebody may have named it before it came.
    chosen = Draft("Observation", "chosen", observation(who.id), is_create=False)
    found = await at_once(hub.store, *(hub.write(STATION, draft) for draft in (asked, chosen, record)))
    assert [type(one) for one in found] == [list, list, list]
    (alone,) = await written_in(hub, [chosen])
    together = set(await written_in(hub, [asked, record]))
    assert len(together) == 1
    assert alone not in together


async def test_what_is_known_to_end_a_right_does_not_wait_for_others(hub: Hub) -> None:
    (who,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    task = await hub.content("Task")
    async with held_up(hub.store):
        await hub.write(
            HOSPITAL, hub.change(task, status="rejected", statusReason={"text": "No bed is free"})
        )
        asked = await hub.content("ServiceRequest")
        reason = {"url": STATUS_REASON_EXTENSION, "valueCodeableConcept": {"text": "She is well"}}
        changed = hub.change(asked, status="revoked", extension=[*asked["extension"], reason])
        await hub.write(STATION, changed)
    assert (await hub.content("ServiceRequest"))["status"] == "revoked"
