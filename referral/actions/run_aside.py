"""Do beside the loop what takes long, so that everybody else is served meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

# What takes some ten milliseconds. A thread of its own costs a tenth of one.
LONG: Final = 64 * 1024
"""From so many bytes of a request on."""


async def run_aside(size: int, work: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T:
    """What `work` gives, in a thread where the request has a large `size`; raises what it raises."""
    if size < LONG:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)
