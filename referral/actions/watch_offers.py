"""Keep beside a process how many offers wait for an answer, and how the clocks stand.

So a look at the metrics asks the database nothing, however often it is taken.
"""

import asyncio
import time
from dataclasses import dataclass, field

import structlog

from referral.domain.errors import StoreUnavailable
from referral.store.deadline import ClockCount, clock_counts
from referral.store.pool import Store
from referral.store.referral import WaitingOffers, waiting_offers

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class OffersHolder:
    """What was last found; `waiting` and `clocks` are empty until it was looked for.

    checked_at: when that was, at first when the process began; seconds of the monotonic clock.
    """

    waiting: tuple[WaitingOffers, ...] = ()
    clocks: tuple[ClockCount, ...] = ()
    checked_at: float = field(default_factory=time.monotonic)

    def put(self, waiting: tuple[WaitingOffers, ...], clocks: tuple[ClockCount, ...] = ()) -> None:
        """Take what was found now."""
        self.waiting, self.clocks, self.checked_at = waiting, clocks, time.monotonic()


async def watch_offers(store: Store, holder: OffersHolder, every: float = 15) -> None:
    """Look every so many seconds, for ever; what was found stays while it cannot be looked.

    A failure is told of once, and it is tried again.
    """
    failed: str | None = None
    while True:
        try:
            async with store.reading(None) as connection:
                holder.put(await waiting_offers(connection), await clock_counts(connection))
            if failed is not None:
                _log.info("offers_watch_resumed")
            failed = None
        except StoreUnavailable as failure:
            if failed != "away":
                _log.warning("offers_watch_interrupted", reason=str(failure))
            failed = "away"
        except Exception as failure:  # noqa: BLE001 - a watch that ended would tell old numbers for ever
            name = type(failure).__name__
            if failed != name:
                # No trace: there is one statement, and its text may quote a row.
                _log.error("offers_watch_failed", error=name)
            failed = name
        await asyncio.sleep(every)
