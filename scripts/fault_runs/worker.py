"""A worker whose host moves the time: what is due at some later moment it does now.

Nothing falls due within a run. So each tick looks from a while ahead, now a little, now far, and back.
"""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta

from referral.actions.refresh_network import refresh_network
from referral.app import configure_logging
from referral.delivery.clocks import Clocks, keep_clocks
from referral.network.snapshot import SnapshotHolder
from referral.settings import Settings
from referral.store.pool import Store

_EVERY = 0.3  # seconds
_AHEAD = (timedelta(0), timedelta(minutes=50), timedelta(hours=5), timedelta(days=12), timedelta(days=40))
_WEIGHTS = (30, 30, 30, 1, 1)
"""Of the last two even the slips are over: too often, and no referral would come to anything."""


async def work(dsn: str, base: str) -> None:
    """Run the clocks until the process ends. Raises what keeps it from the database at first."""
    dice = random.Random()  # noqa: S311 - any order will do
    store = await Store.open(dsn, size=2)
    snapshots = SnapshotHolder()
    await refresh_network(store, snapshots)

    def moved() -> datetime:
        return datetime.now(UTC) + dice.choices(_AHEAD, _WEIGHTS)[0]

    await keep_clocks(Clocks(store, snapshots, base), moved, every=_EVERY)


if __name__ == "__main__":
    settings = Settings.from_environment(os.environ)
    configure_logging(settings.log_level)
    asyncio.run(work(settings.database_url or "", f"{settings.base_url}/fhir"))
