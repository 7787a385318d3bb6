"""The HTTP server: uvicorn, its connections under guard, its signals left to us."""

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from referral.api.connections import Guard

# Connections that the system takes before the service runs, or while it has no time.
BACKLOG = 4096
REQUEST_SECONDS = 20
_KEEP_ALIVE_SECONDS = 75
# Files that the process needs beside the connections of clients: the pool, the log, libraries.
_OTHER_FILES = 200


class Stopping:
    """How the end of a process goes: it begins once, and by its end nothing is waited for.

    requests: seconds in which those in flight finish. everything: seconds for these and for all else that
    waits for others. Closing what is open then takes a second or two; together less than the
    `stop_grace_period` of compose.yaml, after which the process is killed.
    """

    def __init__(self, requests: float = REQUEST_SECONDS, everything: float = 24) -> None:
        self.requests, self._everything = requests, everything
        self._end: float | None = None

    def begin(self) -> float:
        """Begin now, if it has not begun. Tells the end, by the monotonic clock."""
        if self._end is None:
            self._end = time.monotonic() + self._everything
        return self._end

    def seconds_left(self) -> float:
        """Until the end. Who asks begins it."""
        return max(0.0, self.begin() - time.monotonic())


class Server(uvicorn.Server):
    """Tells when it serves, and leaves the signals to its caller, who has a database to stop after it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bearable(connections: int) -> int:
    """So many connections, or as many as the system lets this process have; the soft limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(connections, max(wanted - _OTHER_FILES, 10))


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    guard: Guard,
    *,
    keep_alive: int = _KEEP_ALIVE_SECONDS,
    grace: float = REQUEST_SECONDS,
) -> AsyncIterator[tuple[Server, asyncio.Task[None]]]:
    """The application served on a listener: the server, and its task, which ends when it is told to exit.

    keep_alive: seconds; longer than clients keep a connection in their pools, so that none ends as it is
    used again. grace: seconds in which what is in flight at the end finishes; then it is given up, and the
    log says how much.
    """
    server = Server(
        uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", guard.protocol),
            ws="none",
            backlog=BACKLOG,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=cast("int", grace),
            timeout_keep_alive=keep_alive,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    watching = asyncio.create_task(guard.watch())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        yield server, task
    finally:
        ready.cancel()
        server.should_exit = True
        try:
            await task
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
