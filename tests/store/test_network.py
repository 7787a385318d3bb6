"""The rows of a network in the store and out again."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from referral.actions import refresh_network as refreshing
from referral.actions.import_network import import_network
from referral.actions.refresh_network import refresh_network, watch_network
from referral.domain.errors import PolicyUnreadable
from referral.domain.facility import NetworkId, ServiceId
from referral.domain.policy import Policy
from referral.domain.policy_history import PolicyHistory
from referral.network.snapshot import SnapshotHolder
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.network import load_directory, network_version
from referral.store.pool import Store
from tests.conftest import Database
from tests.small_network import HOSPITAL, STATION, small_network

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
HILL = NetworkId("hill")


async def test_an_imported_network_loads_as_it_was_drafted(store: Store) -> None:
    draft = small_network()
    await import_network(store, draft, NOW)
    async with store.reading(None) as connection:
        rows = await load_directory(connection)
        assert await network_version(connection) == rows.version
    directory = rows.directory()
    service = ServiceId("hospital.surgery")
    assert set(directory.facilities) == set(draft.facilities)
    assert set(directory.memberships) == set(draft.memberships)
    assert directory.affiliations == draft.affiliations
    assert directory.services == (replace(draft.services[0], id=service),)
    assert directory.techniques == draft.techniques
    assert directory.approvals == (replace(draft.approvals[0], service=service),)
    assert directory.links == draft.links
    assert directory.policies == {HILL: PolicyHistory.of(draft.policy)}
    assert directory.network_names == {HILL: "Hill network"}


async def test_a_facility_without_position_is_left_out_with_all_that_names_it(
    store: Store, database: Database
) -> None:
    await import_network(store, small_network(), NOW)
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("UPDATE facility SET latitude = NULL, longitude = NULL WHERE id = $1", HOSPITAL)
    await owner.close()
    async with store.reading(None) as connection:
        directory = (await load_directory(connection)).directory()
    assert [facility.id for facility in directory.facilities] == [STATION]
    assert [membership.facility for membership in directory.memberships] == [STATION]
    assert (directory.affiliations, directory.services) == ((), ())
    assert (directory.approvals, directory.links) == ((), ())


@pytest.mark.parametrize(
    ("typed", "raises"),
    [
        ({"capacities": [{"service": "hospital.surgery", "status": "waitlist"}]}, False),
        ({"dropped_capacities": ["hospital.surgery"]}, False),
        ({"retired_services": ["hospital.surgery"]}, True),
    ],
    ids=["capacity", "no capacity any more", "service"],
)
async def test_all_but_capacity_raises_the_version(
    store: Store, typed: dict[str, list[object]], raises: bool
) -> None:
    await import_network(store, small_network(), NOW)
    async with store.writing("hospital") as connection:
        before = await network_version(connection)
        await apply_changes(connection, ChangeSet(typed=typed))
        assert (await network_version(connection) > before) is raises


async def test_a_snapshot_is_refreshed_when_the_version_is_another(store: Store) -> None:
    holder = SnapshotHolder()
    await import_network(store, small_network(), NOW)
    assert await refresh_network(store, holder)
    first = holder.current
    assert first.facility(HOSPITAL) is not None
    assert not await refresh_network(store, holder)
    assert holder.current is first
    draft = small_network()
    renamed = replace(draft.facilities[0], name="Another name")
    await import_network(store, replace(draft, facilities=(renamed, draft.facilities[1])), NOW)
    assert await refresh_network(store, holder)
    assert holder.current.facility(HOSPITAL) == renamed


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what has no event to wait for."""
    async with asyncio.timeout(30):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_watch_outlives_a_database_that_goes_away(database: Database, store: Store) -> None:
    await import_network(store, small_network(), NOW)
    watching = await Store.open(database.dsn, size=1)
    owner = await asyncpg.connect(database.owner_dsn)
    async with watching.reading(None) as connection:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    holder = SnapshotHolder()
    watch: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def is_current() -> bool:
        return holder.current.facility(STATION) is not None

    try:
        async with owner.transaction():
            # The watch waits inside the database when its backend ends.
            await owner.execute("LOCK TABLE network_version")
            watch = asyncio.create_task(watch_network(watching, holder, every=0.01))
            await until(lambda: owner.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", backend))
            async with store.reading(None) as connection:
                await connection.execute("SELECT pg_terminate_backend($1)", backend)
            gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
            await until(lambda: owner.fetchval(gone, backend))
        await until(is_current)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await watching.close()
        await owner.close()


async def store_policy(database: Database, **tables: object) -> None:
    """Put a policy as another version of the program would, and say that the network changed."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("UPDATE network SET policy = policy || $1::jsonb", json.dumps(tables))
    await owner.execute("UPDATE network_version SET version = version + 1")
    await owner.close()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EventDict]]:
    """What the watch tells, by a logger that no earlier test has bound to another set-up."""
    monkeypatch.setattr(refreshing, "_log", structlog.get_logger())
    with capture_logs() as entries:
        yield entries


async def test_a_policy_of_a_newer_version_is_read_as_far_as_it_is_known(
    database: Database, store: Store, log: list[EventDict]
) -> None:
    await import_network(store, small_network(), NOW)
    await store_policy(database, travel={"speed_kmh": 50, "toll": 1}, weather={"rain": True})
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    policy = holder.current.policy(HILL, NOW.date())
    assert policy.travel.speed_kmh == 50.0
    told = [entry for entry in log if entry["event"] == "network_policy_partly_read"]
    assert [(entry["network"], set(entry["skipped"])) for entry in told] == [
        ("hill", {"weather", "travel.toll"})
    ]


async def test_a_policy_that_cannot_be_read_stops_nothing_but_what_needs_it(
    database: Database, store: Store, log: list[EventDict]
) -> None:
    await import_network(store, small_network(), NOW)
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    first = holder.current
    day = NOW.date()

    def failures() -> list[EventDict]:
        return [entry for entry in log if entry["event"] == "network_policy_unreadable"]

    async def has_failed(times: int) -> bool:
        return len(failures()) == times

    async def is_read() -> bool:
        return not holder.current.unread

    watch = asyncio.create_task(watch_network(store, holder, every=0.001))
    try:
        await store_policy(database, weights={"level": "secret"})
        await until(lambda: has_failed(1))
        assert holder.current.version > first.version
        with pytest.raises(PolicyUnreadable, match="Version 2 of the policy"):
            holder.current.policy(HILL, day)
        assert holder.current.known_policy(HILL, day) is None
        before = day - timedelta(days=1)
        assert holder.current.policy(HILL, before) == first.policy(HILL, before)
        await store_policy(database, weights={"level": -1})
        await until(lambda: has_failed(2))
        await store_policy(database, weights={"level": 15})
        await until(is_read)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    assert await has_failed(2), "each version is told of once"
    assert holder.current.policy(HILL, day).weights.level == 15
    assert "weights.level" in str(failures())
    assert "secret" not in str(failures())


async def test_a_snapshot_has_the_calendar_of_the_policy(store: Store) -> None:
    mapping = {
        "network": {"id": "hill", "name": "Hill network", "prefix": "HI"},
        "calendar": {"country": "VN", "timezone": "Asia/Ho_Chi_Minh"},
    }
    await import_network(
        store, small_network(policy=Policy.from_mapping(mapping), policy_mapping=mapping), NOW
    )
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    today = datetime.now(UTC).date()
    calendar = holder.current.calendar(HILL, today)
    assert not calendar.is_working_day(date(today.year, 9, 2)), "the day of independence"
