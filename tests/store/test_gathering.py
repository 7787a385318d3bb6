"""Who comes while others are at work is taken with all who came, and nobody is forgotten."""

import asyncio

import pytest

from referral.domain.errors import StoreUnavailable
from referral.store.gathering import Gathering

Pieces = list[list[str]]


class Bench:
    """Pieces of work that last until they are let go."""

    def __init__(self, *, patience: float = 30, longest: int = 10) -> None:
        self.gathering: Gathering[str] = Gathering(
            pieces=1, most=3, largest=10, patience=patience, longest=longest
        )
        self.done: Pieces = []
        self.free = asyncio.Event()

    async def work(self, ones: list[str]) -> None:
        await self.free.wait()
        if "broken" in ones:
            raise LookupError
        self.done.append(ones)

    async def come(self, *names: str, size: int = 0) -> list["asyncio.Task[None]"]:
        tasks = [asyncio.create_task(self.gathering.take(name, self.work, size=size)) for name in names]
        await asyncio.sleep(0)
        return tasks


async def test_who_waits_is_taken_together_and_in_order() -> None:
    bench = Bench()
    tasks = await bench.come("a", "b", "c", "d", "e")
    bench.free.set()
    await asyncio.gather(*tasks)
    assert bench.done == [["a"], ["b", "c", "d"], ["e"]]
    await asyncio.gather(*await bench.come("f"))
    assert bench.done[-1] == ["f"]


async def test_what_breaks_is_told_to_who_led_and_the_next_goes_on() -> None:
    bench = Bench()
    tasks = await bench.come("a", "broken", "c", "d", "e")
    bench.free.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found if one] == [LookupError]
    assert bench.done == [["a"], ["e"]]


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_who_goes_leaves_his_turn_to_the_next(gone: int) -> None:
    bench = Bench()
    tasks = await bench.come("a", "b", "c")
    tasks[gone].cancel()
    await asyncio.sleep(0)
    bench.free.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found if one] == [asyncio.CancelledError]
    # What has begun is done, whoever led it.
    assert bench.done == ([["a"], ["b", "c"]], [["a"], ["c"]], [["a"], ["b"]])[gone]


async def test_who_leads_and_goes_takes_nobody_along() -> None:
    bench = Bench()
    first, second, third = await bench.come("a", "b", "c")

    async def hold_up_the_next() -> None:
        await bench.free.wait()
        bench.free.clear()

    held = asyncio.create_task(hold_up_the_next())
    await asyncio.sleep(0)
    bench.free.set()
    await asyncio.gather(first, held)
    while bench.gathering.waiting:  # noqa: ASYNC110 - told by nothing else
        await asyncio.sleep(0)
    assert not second.done()
    second.cancel()
    await asyncio.wait([second])
    assert second.cancelled()
    assert not third.done()
    bench.free.set()
    await third
    assert bench.done[-1] == ["b", "c"]


async def test_a_piece_ends_where_it_is_large() -> None:
    bench = Bench()
    tasks = [
        *await bench.come("a"),
        *await bench.come("b", "c", size=6),
        *await bench.come("d", size=4),
        *await bench.come("e", size=11),
    ]
    bench.free.set()
    await asyncio.gather(*tasks)
    assert bench.done == [["a"], ["b"], ["c", "d"], ["e"]]


async def test_who_goes_when_it_is_his_turn_passes_it_on() -> None:
    bench = Bench()
    first, second, third = await bench.come("a", "b", "c")

    async def goes() -> None:
        # Woken after the piece of the first, which has just told the second.
        await bench.free.wait()
        second.cancel()

    gone = asyncio.create_task(goes())
    await asyncio.sleep(0)
    bench.free.set()
    await asyncio.gather(first, third, gone)
    assert second.cancelled()
    assert ["c"] in bench.done
    await asyncio.gather(*await bench.come("d"))


async def test_nobody_waits_without_end_or_in_too_long_a_queue() -> None:
    bench = Bench(patience=0.01, longest=2)
    first, *waiting = await bench.come("a", "b", "c", "d")
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 3
    bench.free.set()
    await first
    assert bench.done == [["a"]]
