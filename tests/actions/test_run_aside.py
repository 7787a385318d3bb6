"""What is long is done beside the loop."""

import threading

import pytest

from referral.actions.run_aside import run_aside


async def test_large_requests_leave_the_loop_to_others():
    here = threading.get_ident()
    assert await run_aside(1_000, threading.get_ident) == here
    assert await run_aside(1_000_000, threading.get_ident) != here


@pytest.mark.parametrize("size", [0, 1_000_000])
async def test_what_is_given_and_what_is_raised_pass_through(size: int):
    assert await run_aside(size, int, "11", base=2) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        await run_aside(size, int, "x")
