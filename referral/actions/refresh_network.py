"""Keep the snapshot of a process beside the stored network."""

import asyncio

import structlog

from referral.domain.errors import StoreUnavailable
from referral.network.snapshot import Snapshot, SnapshotHolder, build_snapshot
from referral.store.network import DirectoryRows, load_directory, network_version
from referral.store.pool import Store

_log = structlog.get_logger(__name__)


async def refresh_network(store: Store, holder: SnapshotHolder) -> bool:
    """Load, build in a thread and swap when the stored version is another one; tell whether it was.

    Raises StoreUnavailable when the database is away; the snapshot then stays as it is.
    """
    async with store.reading(None) as connection:
        if await network_version(connection) == holder.current.version:
            return False
        rows = await load_directory(connection)
    snapshot = await asyncio.to_thread(_build, rows)
    holder.swap(snapshot)
    return True


async def watch_network(store: Store, holder: SnapshotHolder, every: float = 0.5) -> None:
    """Refresh every so many seconds, for ever; an answering database that went away is asked again."""
    away = False
    while True:
        try:
            if await refresh_network(store, holder):
                _log.info("network_refreshed", version=holder.current.version)
            if away:
                _log.info("network_watch_resumed")
            away = False
        except StoreUnavailable as failure:
            if not away:
                _log.warning("network_watch_interrupted", reason=str(failure))
            away = True
        await asyncio.sleep(every)


def _build(rows: DirectoryRows) -> Snapshot:
    return build_snapshot(rows.version, rows.directory())
