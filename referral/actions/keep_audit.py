"""Keep the audit: records of reads gathered in memory and written in bulk, and all rows sealed.

A write leaves its row in its own transaction; what changes nothing leaves a record here, as it is answered.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from referral.domain.audit import AuditAction, AuditRecord
from referral.domain.errors import StoreUnavailable
from referral.store.audit import record_audit, seal_audit
from referral.store.pool import Store

FLUSH_SECONDS: Final = 0.5
_TURNS_TO_SEAL: Final = 2
_ROWS_AT_ONCE: Final = 5_000
_LARGEST: Final = 64 * 1024 * 1024
_RECORD_SIZE: Final = 512
# So many requests without a valid token are recorded one by one between two flushes; of more, their number.
_STRANGERS: Final = 100
_LAST_TRIES: Final = 3


@dataclass(slots=True)
class AuditTrail:
    """Records that are not stored yet.

    Nothing is dropped: while the store does not take them they wait, and at `most` bytes (about) no more
    requests are to be answered, see `has_room`.
    """

    most: int = _LARGEST
    _waiting: list[AuditRecord] = field(default_factory=list)
    _size: int = 0
    _strangers: int = 0  # recorded one by one since all was written
    _more_strangers: int = 0

    @property
    def has_room(self) -> bool:
        """Whether another request may be answered."""
        return self._size < self.most

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: AuditRecord) -> None:
        """Take a record; it costs its request a microsecond or two."""
        self._waiting.append(record)
        self._size += _size_of(record)

    def add_stranger(self, record: AuditRecord) -> None:
        """Take a record of somebody without a valid token; of very many only their number.

        Else they could fill the audit, and stop the service for all others; or its memory, where the store
        is away for long.
        """
        if self._strangers < _STRANGERS and self.has_room:
            self._strangers += 1
            self.add(record)
        else:
            self._more_strangers += 1

    async def flush(self, store: Store, now: datetime) -> None:
        """Write all that waits. Raises StoreUnavailable; what is not known to be written waits on.

        A connection that breaks at the COMMIT may leave rows that are written again: twice rather than never.
        """
        if self._more_strangers and self.has_room:
            more = {"more": self._more_strangers}
            self.add(AuditRecord(now, None, None, AuditAction.REFUSED, outcome=401, details=more))
            self._more_strangers = 0
        while self._waiting:
            some = self._waiting[:_ROWS_AT_ONCE]
            async with store.writing(None) as connection:
                await record_audit(connection, some)
            del self._waiting[: len(some)]
            self._size -= sum(map(_size_of, some))
        self._strangers = 0


def _size_of(record: AuditRecord) -> int:
    return _RECORD_SIZE + len(record.query or "")


@asynccontextmanager
async def kept_audit(
    store: Store, trail: AuditTrail, now: Callable[[], datetime], seconds_left: Callable[[], float | None]
) -> AsyncIterator[None]:
    """Flush every half second and seal every second while the body runs, and once more after it.

    seconds_left: asked at the end, how long that may take; None: as long as it takes. What is then still
    written is given up, with a line in the log; closing the store ends it.
    """
    stopping = asyncio.Event()
    keeper = _Keeper(store, trail, now)
    keeping = asyncio.create_task(keeper.run(stopping))
    try:
        yield
    finally:
        # Not cancelled at once: what is being written would be written again.
        stopping.set()
        await asyncio.wait({keeping}, timeout=seconds_left())
        if keeping.done():
            keeping.result()  # a keeper that failed says why
        else:
            keeping.cancel()
            keeper.tell_lost()


class _Keeper:
    def __init__(self, store: Store, trail: AuditTrail, now: Callable[[], datetime]) -> None:
        self._store, self._trail, self._now = store, trail, now
        self._failed: str | None = None
        self._more = False
        self._log = structlog.get_logger(__name__)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until it is told to stop. A failure is told of once, and tried again."""
        turn = 0
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0 if self._more else FLUSH_SECONDS)
            turn += 1
            await self._keep(seal=self._more or turn % _TURNS_TO_SEAL == 0)
        for _ in range(_LAST_TRIES):
            if await self._keep(seal=True):
                return
            await asyncio.sleep(FLUSH_SECONDS)
        self.tell_lost()

    def tell_lost(self) -> None:
        """Say how many records are not known to be stored, at the end; what is not sealed yet will be."""
        if lost := len(self._trail):
            self._log.error("audit_incomplete", lost=lost)

    async def _keep(self, *, seal: bool) -> bool:
        """Flush, and seal as much as one transaction may; tells whether it could."""
        try:
            await self._trail.flush(self._store, self._now())
            if seal:
                async with self._store.writing(None) as connection:
                    self._more = await seal_audit(connection, self._now())
        except Exception as failure:  # noqa: BLE001 - a keeper that ended would stop the service when it is full
            self._more = False
            self._tell(failure)
            return False
        if self._failed is not None:
            self._log.info("audit_resumed")
        self._failed = None
        return True

    def _tell(self, failure: Exception) -> None:
        name = type(failure).__name__
        if self._failed == name:
            return
        self._failed = name
        waiting = len(self._trail)
        if isinstance(failure, StoreUnavailable):
            self._log.warning("audit_interrupted", waiting=waiting)
        else:
            # Where, not what: the text of an exception may quote a record.
            frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(failure.__traceback__)]
            self._log.error("audit_failed", waiting=waiting, error=name, frames=frames[-12:])
