"""`referral serve`: one process that serves FHIR over HTTP."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import structlog
import uvicorn
import uvloop

from referral.api.connections import Guard, Limits
from referral.app import configure_logging, create_app, create_metrics_app, make_services, open_tracing
from referral.cli.database import Database, data_option, open_database, read_settings
from referral.cli.errors import Refusal
from referral.cli.server import BACKLOG, Stopping, bearable, serving
from referral.embedded import EmbeddedError, EmbeddedPostgres
from referral.settings import Settings
from referral.store.pool import Store
from referral.store.version_cache import VersionCache

if TYPE_CHECKING:
    from referral.api.tracing import Tracing

DEFAULT_PORT = 8000
_WATCH_SECONDS = 1
# Some five requests' worth: by the number it has of itself, 700, the collector looks twice at each request.
_YOUNG_OBJECTS = 10_000
_CLOSE_SECONDS = 1

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
        run(_serve(database, listener, address, settings))


async def _serve(database: Database, listener: socket.socket, base_url: str, settings: Settings) -> None:
    async with running(database, listener, base_url, settings) as served:
        _settle_memory()
        click.echo(f"ready on {base_url}")
        await served


def _settle_memory() -> None:
    """Keep the collector away from what stands to the end, and from most of what ends with its request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


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
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
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


@asynccontextmanager
async def running(
    database: Database,
    listener: socket.socket,
    base_url: str,
    settings: Settings,
    stopping: Stopping | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """The service while it runs; yields the task that ends when a signal asks to stop.

    base_url: the address others use, without a slash at its end. stopping: what the stop may take. Raises
    StoreUnavailable, and Refusal where the address for the metrics is taken.
    """
    stopping = stopping or Stopping()
    async with contextlib.AsyncExitStack() as stack:
        limits = Limits(connections=bearable(settings.max_connections))
        tracing = open_tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
        if tracing is not None:
            stack.push_async_callback(_close_tracing, tracing, stopping)
        store = await Store.open(
            database.dsn,
            size=settings.pool_size,
            statement_seconds=settings.statement_seconds,
            watch=tracing.statement if tracing else None,
        )
        stack.push_async_callback(close_store, store)
        remembered = VersionCache(settings.remembered_bytes)
        services = make_services(store, base_url, settings.attachments, remembered)
        app = create_app(
            services,
            with_metrics=settings.metrics_listen is None,
            tracing=tracing,
            seconds_left=stopping.seconds_left,
            cors_origins=settings.cors_origins,
            with_clocks=settings.work_inside,
        )
        # Entered here and not by uvicorn, which would log an error of the start and hide it from us.
        await stack.enter_async_context(app.router.lifespan_context(app))
        if database.embedded is not None:
            await stack.enter_async_context(_kept_running(database.embedded))
        if settings.metrics_listen is not None:
            apart = stack.enter_context(listen(*settings.metrics_listen))
            of_metrics = serving(create_metrics_app(services), apart, Guard(), grace=_CLOSE_SECONDS)
            await stack.enter_async_context(of_metrics)
        guard = Guard(limits)
        services.meters.add(guard.collect)
        server, task = await stack.enter_async_context(serving(app, listener, guard, grace=stopping.requests))
        stack.enter_context(_stopped_by_signals(server, stopping))
        yield task


async def _close_tracing(tracing: "Tracing", stopping: Stopping) -> None:
    await asyncio.to_thread(tracing.close, max(stopping.seconds_left(), _CLOSE_SECONDS))


async def close_store(store: Store) -> None:
    """Close the pool; connections on which the database says nothing are given up, and what waits for it."""
    in_use = store.use.in_use
    try:
        await asyncio.wait_for(store.close(), _CLOSE_SECONDS)
    except TimeoutError:
        structlog.get_logger("referral.serve").error("connections_given_up", in_use=in_use)


@contextmanager
def _stopped_by_signals(server: uvicorn.Server, stopping: Stopping) -> Iterator[None]:
    """The first signal lets what is in flight finish, a second Ctrl-C does not."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int) -> None:
        stopping.begin()
        server.handle_exit(number, None)

    for number in before:
        loop.add_signal_handler(number, stop, number)
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
