"""What a process remembers of documents: never another version, never more than it may."""

from hypothesis import given
from hypothesis import strategies as st

from referral.store.version_cache import VersionCache

MOST = 64_000
KEYS = st.integers(0, 40).map(lambda number: f"Task/t{number % 20}/{number}/2026")
SIZES = st.integers(0, 1200)
STEPS = st.lists(st.one_of(KEYS, st.tuples(KEYS, SIZES)), max_size=300)


@given(STEPS)
def test_it_gives_what_it_was_given_and_drops_what_was_asked_for_longest_ago(
    steps: list[str | tuple[str, int]],
) -> None:
    cache, order = VersionCache(MOST), dict[str, bytes]()
    for step in steps:
        if isinstance(step, str):
            found, unknown = cache.find([step])
            assert (found, unknown) == (({step: order[step]}, []) if step in order else ({}, [step]))
            if step in order:
                order[step] = order.pop(step)
            continue
        key, size = step
        content = key.encode().ljust(size, b"x")
        cache.keep(key, content)
        # What is large beside the whole of it is read each time.
        if len(content) + 400 <= MOST // 64:
            order.setdefault(key, content)
        while sum(len(one) + 400 for one in order.values()) > MOST:
            del order[next(iter(order))]
    assert cache.held_bytes == sum(len(one) + 400 for one in order.values()) <= MOST
    assert cache.find(order) == (order, [])


def test_it_drops_the_oldest_when_it_is_full() -> None:
    cache = VersionCache(MOST)
    keys = [f"Task/t{number}/1/2026" for number in range(MOST // 1000 + 1)]
    for key in keys[:-1]:
        cache.keep(key, bytes(600))
    cache.find(keys[:1])
    cache.keep(keys[-1], bytes(600))
    assert cache.find(keys)[1] == [keys[1]]


def test_one_that_may_hold_nothing_holds_nothing() -> None:
    cache = VersionCache(0)
    cache.keep("Task/a/1/2026", b"")
    assert cache.find(["Task/a/1/2026"]) == ({}, ["Task/a/1/2026"])
    assert cache.held_bytes == 0
