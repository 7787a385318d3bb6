"""The HTTP server: uvicorn, its connections under guard, its signals left to us."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from referral.api.connections import Guard

# Connections that the system takes before the service runs, or while it has no time.
BACKLOG = 4096
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 20
# Files that the process needs beside the connections of clients: the pool, the log, libraries.
_OTHER_FILES = 200


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
    app: ASGIApp, listener: socket.socket, guard: Guard, *, keep_alive: int = _KEEP_ALIVE_SECONDS
) -> AsyncIterator[tuple[Server, asyncio.Task[None]]]:
    """The application served on a listener: the server, and its task, which ends when it is told to exit.

    At the end, what is in flight finishes.

    keep_alive: seconds; longer than clients keep a connection in their pools, so that none ends as it is
    used again.
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
            timeout_graceful_shutdown=_GRACE_SECONDS,
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
