"""Ports of loopback for programs that must be told one before they run."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """So many ports that nobody listens on, and that the system gives to nobody else meanwhile.

    They are bound, and not listened on: on Linux a program that asks for one by its number and sets
    SO_REUSEADDR (asyncio, uvicorn and PostgreSQL do) may listen there, end, and listen again.
    """
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
        yield [holder.getsockname()[1] for holder in holders]
