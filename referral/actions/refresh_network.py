"""Keep the snapshot of a process beside the stored network."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from referral.actions.working_calendar import working_calendar
from referral.domain.errors import StoreUnavailable
from referral.network.snapshot import Snapshot, SnapshotHolder, build_snapshot
from referral.store.network import DirectoryRows, load_directory, network_version
from referral.store.pool import Store
from referral.store.suggestion import read_answer_times, read_patients_sent

_log = structlog.get_logger(__name__)

_ANSWERS_EVERY = 600.0
"""Seconds between two looks at how long facilities take to answer."""

_SENT_EVERY = 5.0
"""Seconds between two looks at how many patients are sent to whom."""

_SHARE = 20
"""A look that takes long is taken more seldom: at most for this part of the time."""

_PATIENCE = 20
"""How many times longer the watch waits after a failure that is not the database's: to load is work."""


async def refresh_network(store: Store, holder: SnapshotHolder) -> bool:
    """Load, build in a thread and swap when the stored version is another one; tell whether it was.

    A policy that this version cannot read is told of, and `Snapshot.unread` has it. Raises StoreUnavailable
    when the database is away.
    """
    if await _stored_version(store) == holder.current.version:
        holder.confirm()
        return False
    await _load(store, holder)
    return True


async def watch_network(
    store: Store,
    holder: SnapshotHolder,
    every: float = 0.5,
    answers_every: float = _ANSWERS_EVERY,
    sent_every: float = _SENT_EVERY,
) -> None:
    """Refresh every so many seconds, for ever; the old snapshot stays while there is no newer one.

    answers_every, sent_every: how often at most it is looked how long facilities take to answer, and how many
    patients are sent to them, where that is weighed.
    A database that went away is asked again; a version that cannot be loaded is told of once, and tried
    again now and then.
    """
    away, failed, prepared = False, -1, None
    looks = (_Look(_look_at_answers, answers_every), _Look(_look_at_patients_sent, sent_every))
    while True:
        pause, version = every, 0
        try:
            version = await _stored_version(store)
            if version == holder.current.version:
                holder.confirm()
            else:
                await _load(store, holder)
                _log.info("network_refreshed", version=holder.current.version)
            if prepared is not holder.current:
                # It was looked at both as it was loaded.
                prepared = holder.current
                for look in looks:
                    look.put_off()
                await asyncio.to_thread(prepared.make_calendars)
            else:
                for look in looks:
                    await look.take(store, prepared)
            if away:
                _log.info("network_watch_resumed")
            away, failed = False, -1
        except StoreUnavailable as failure:
            if not away:
                _log.warning("network_watch_interrupted", reason=str(failure))
            away = True
        except Exception as failure:  # noqa: BLE001 - a watch that ended would leave the graph stale for ever
            if failed != version:
                _log_failure(failure, version, holder.current.version)
            failed, pause = version, every * _PATIENCE
        await asyncio.sleep(pause)


async def _stored_version(store: Store) -> int:
    async with store.reading(None) as connection:
        return await network_version(connection)


async def _load(store: Store, holder: SnapshotHolder) -> None:
    async with store.reading(None) as connection:
        rows = await load_directory(connection)
    year = datetime.now(UTC).year
    snapshot = await asyncio.to_thread(_build, rows, year)
    await _look_at_answers(store, snapshot)
    await _look_at_patients_sent(store, snapshot)
    holder.swap(snapshot)
    for network, versions in snapshot.unread.items():
        for one in versions:
            _log.error("network_policy_unreadable", network=network, number=one.number, faults=one.faults)
    for network, history in snapshot.policies.items():
        skipped = {key for version in history.versions for key in version.policy.unknown}
        if skipped:
            _log.warning("network_policy_partly_read", network=network, skipped=sorted(skipped))


async def _look_at_answers(store: Store, snapshot: Snapshot) -> None:
    if snapshot.weighs_answers:
        async with store.reading(None) as connection:
            snapshot.answers = await read_answer_times(connection)


async def _look_at_patients_sent(store: Store, snapshot: Snapshot) -> None:
    networks = snapshot.going_by_waits
    if networks:
        now = datetime.now(UTC)
        async with store.reading(None) as connection:
            snapshot.sent = await read_patients_sent(connection, networks, now)


@dataclass(slots=True)
class _Look:
    """A look at what changes with referrals, taken again every so many seconds."""

    again: Callable[[Store, Snapshot], Awaitable[None]]
    every: float
    due: float = 0.0

    def put_off(self, took: float = 0.0) -> None:
        self.due = time.monotonic() + max(self.every, _SHARE * took)

    async def take(self, store: Store, snapshot: Snapshot) -> None:
        began = time.monotonic()
        if began > self.due:
            self.put_off()
            await self.again(store, snapshot)
            self.put_off(time.monotonic() - began)


def _build(rows: DirectoryRows, year: int) -> Snapshot:
    return build_snapshot(rows.version, rows.directory(), partial(working_calendar, year=year))


def _log_failure(failure: Exception, version: int, kept: int) -> None:
    # Where, not what: the text of an exception may quote a row.
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(failure.__traceback__)]
    _log.error(
        "network_refresh_failed",
        version=version,
        kept=kept,
        error=type(failure).__name__,
        frames=frames[-12:],
    )
