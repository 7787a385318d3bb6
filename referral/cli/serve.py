"""`referral serve`: one process that serves FHIR over HTTP."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog
import uvicorn
import uvloop

from referral.app import configure_logging, create_app, make_services
from referral.cli.database import Database, data_option, open_database, read_settings
from referral.cli.errors import Refusal
from referral.embedded import EmbeddedError, EmbeddedPostgres
from referral.store.pool import Store

DEFAULT_PORT = 8000
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 20
_WATCH_SECONDS = 1

Result = TypeVar("Result")


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one."
)
@click.option(
    "--base-url",
    help="Address that others use, without /fhir. [default: REFERRAL_BASE_URL, else host and port]",
)
def serve(data: Path, host: str, port: int, base_url: str | None) -> None:
    """Serve FHIR until stopped.

    Its own database is migrated first; that of DATABASE_URL must be migrated already. SIGTERM and
    Ctrl-C let what is in flight finish. The log goes to standard error, one JSON object a line.
    """
    settings = read_settings(base_url)
    configure_logging(settings.log_level)
    with listen(host, port) as listener, open_database(data) as database:
        claim(database)
        database.migrate_own()
        address = settings.base_url or address_of(listener)
        run(_serve(database, listener, address, settings.pool_size))


async def _serve(database: Database, listener: socket.socket, base_url: str, pool_size: int) -> None:
    async with running(database, listener, base_url, pool_size) as serving:
        click.echo(f"ready on {base_url}")
        await serving


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that owns host and port; who connects waits until the service runs.

    Raises Refusal when the port is taken or the host is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address, family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise Refusal(f"cannot listen on {host}, port {port}: {reason}") from error
    with listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    """How to reach a listener from this machine."""
    host, port = listener.getsockname()[:2]
    if listener.family is socket.AF_INET6:
        host = f"[{'::1' if host == '::' else host}]"
    elif host == "0.0.0.0":  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://{host}:{port}"


def claim(database: Database) -> None:
    """Make this process the one `serve` of a data directory. Raises EmbeddedError when there is one."""
    if database.embedded is not None:
        database.embedded.serve_lock()


class _Server(uvicorn.Server):
    """Tells when it serves, and leaves the signals to us: after it, the database is to be stopped."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(
    database: Database, listener: socket.socket, base_url: str, pool_size: int
) -> AsyncIterator[asyncio.Task[None]]:
    """The service while it runs; yields the task that ends when a signal asks to stop.

    base_url: the address others use, without a slash at its end. Raises StoreUnavailable.
    """
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(database.dsn, size=pool_size)
        stack.push_async_callback(store.close)
        app = create_app(make_services(store, base_url))
        # Entered here and not by uvicorn, which would log an error of the start and hide it from us.
        await stack.enter_async_context(app.router.lifespan_context(app))
        server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                # Longer than clients keep a connection in their pools, so that none ends as it is used again.
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        if database.embedded is not None:
            await stack.enter_async_context(_kept_running(database.embedded))
        stack.enter_context(_stopped_by_signals(server))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        ready = asyncio.create_task(server.ready.wait())
        try:
            await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            yield serving
        finally:
            ready.cancel()
            server.should_exit = True
            await serving


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """The first signal lets what is in flight finish, a second Ctrl-C does not."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@asynccontextmanager
async def _kept_running(embedded: EmbeddedPostgres) -> AsyncIterator[None]:
    """Starts a PostgreSQL that died again."""

    async def watch() -> None:
        log = structlog.get_logger("referral.serve")
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await asyncio.to_thread(embedded.ensure_running)
            except (EmbeddedError, OSError) as error:
                log.error("database", problem=str(error))  # noqa: TRY400 - one line, no trace

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
