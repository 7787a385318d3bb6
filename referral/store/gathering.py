"""Those who come while others are at work are taken together next, in one piece of work."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from referral.domain.errors import StoreUnavailable

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    """A place in the queue. told: True when it is to lead a piece of work, False when it was in one."""

    one: T
    size: int
    told: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gathering(Generic[T]):
    """At most `pieces` of work at once, each of at most `most` who came meanwhile.

    Nobody waits for others to come: who finds a piece free leads it. It runs in a task of its own, so that
    who leads and goes takes nobody along. largest: what all of a piece may have in sum of their sizes; one
    by itself may have any. patience: seconds that somebody waits for his turn. longest: how many may wait.
    """

    def __init__(self, *, pieces: int, most: int, largest: int, patience: float, longest: int) -> None:
        self._free, self._most, self._largest = pieces, most, largest
        self._patience, self._longest = patience, longest
        self._waiting: deque[_Place[T]] = deque()
        self._at_work: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def take(self, one: T, work: Callable[[list[T]], Awaitable[None]], *, size: int = 0) -> None:
        """Returns when `one` was in a piece of work, its own or that of somebody who led.

        Raises what the work raises to the one who leads it, and to him alone. Raises StoreUnavailable where
        its turn does not come in time.
        """
        place = _Place(one, size)
        if self._free:
            self._free -= 1
        elif not await self._turn(place):
            return
        piece = asyncio.create_task(self._do(self._with_others(place), work))
        # The loop itself does not hold it.
        self._at_work.add(piece)
        piece.add_done_callback(self._at_work.discard)
        await asyncio.shield(piece)

    def _with_others(self, first: _Place[T]) -> list[_Place[T]]:
        taken, size = [first], first.size
        while self._waiting and len(taken) < self._most:
            size += self._waiting[0].size
            if size > self._largest:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _do(self, taken: list[_Place[T]], work: Callable[[list[T]], Awaitable[None]]) -> None:
        try:
            await work([each.one for each in taken])
        finally:
            for each in taken[1:]:
                _tell(each, leads=False)
            self._pass_on()

    async def _turn(self, place: _Place[T]) -> bool:
        """Whether it is to lead; False where it was in a piece of work meanwhile."""
        if len(self._waiting) >= self._longest:
            raise StoreUnavailable("There is too much to write now; send the same request again later.")
        self._waiting.append(place)
        try:
            await asyncio.wait([place.told], timeout=self._patience)
            if place in self._waiting:
                raise StoreUnavailable("The database does not answer now; send the same request again later.")
            # Its work has begun: what becomes of it is worth waiting for.
            return await place.told
        except BaseException:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place.told.done() and not place.told.cancelled() and place.told.result():
                self._pass_on()
            place.told.cancel()
            raise

    def _pass_on(self) -> None:
        """Let the first who waits lead the next piece, or let it be free."""
        while self._waiting:
            if _tell(self._waiting.popleft(), leads=True):
                return
        self._free += 1


def _tell(place: _Place[T], *, leads: bool) -> bool:
    """Whether somebody is there to hear it."""
    if place.told.done():
        return False
    place.told.set_result(leads)
    return True
