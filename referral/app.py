"""The composition root: services, routes, log."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from referral import __version__
from referral.actions.close_by_reading import close_what_is_read
from referral.actions.keep_audit import kept_audit
from referral.actions.refresh_network import refresh_network, watch_network
from referral.actions.watch_offers import watch_offers
from referral.api import (
    claim,
    create,
    delete,
    docs,
    everything,
    health,
    history,
    metadata,
    metrics,
    moves,
    patch,
    read,
    search,
    smart_configuration,
    suggest_targets,
    token,
    transaction,
    update,
    validate,
    vread,
)
from referral.api.audit_trail import recorder
from referral.api.compression import Compressed
from referral.api.cross_origin import CORS
from referral.api.errors import domain_error
from referral.api.request_log import RequestLog
from referral.api.services import Services
from referral.api.unsupported import unsupported
from referral.delivery.clocks import Clocks, keep_clocks
from referral.domain.attachment import AttachmentRules
from referral.domain.errors import DomainError
from referral.settings import SettingsError
from referral.store.pool import Store
from referral.store.version_cache import VersionCache

if TYPE_CHECKING:
    from referral.api.tracing import Tracing


def make_services(
    store: Store,
    base_url: str,
    attachments: AttachmentRules | None = None,
    versions: VersionCache | None = None,
) -> Services:
    """The services of a process that is reached at `base_url`. attachments: rules of its own.

    versions: what it remembers of documents, where that is not as usual.
    """
    return Services(
        store=store,
        base_url=base_url.rstrip("/"),
        now=lambda: datetime.now(UTC),
        attachments=attachments or AttachmentRules(),
        versions=VersionCache() if versions is None else versions,
    )


def create_app(
    services: Services,
    *,
    with_metrics: bool = True,
    tracing: "Tracing | None" = None,
    seconds_left: Callable[[], float | None] = lambda: None,
    cors_origins: Sequence[str] = (),
    with_clocks: bool = True,
) -> FastAPI:
    """The application. While it runs, it keeps the network's snapshot up to date, the count of offers that
    wait for an answer, and the audit; and closes referrals whose senders have read what came back.

    seconds_left: how long the end of that may take, asked when it begins; None: as long as it takes.
    cors_origins: the origins whose pages may call it, `*` for all; none: browsers keep all of them from it.
    with_clocks: it also does what is due.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await refresh_network(services.store, services.snapshots)
        watchers = [
            asyncio.create_task(watch_network(services.store, services.snapshots)),
            asyncio.create_task(watch_offers(services.store, services.offers)),
            asyncio.create_task(
                close_what_is_read(
                    services.store, services.reads, services.now, services.fhir_base, services.rules
                )
            ),
        ]
        if with_clocks:
            clocks = Clocks(services.store, services.snapshots, services.fhir_base)
            watchers.append(asyncio.create_task(keep_clocks(clocks, services.now)))
        try:
            async with kept_audit(services.store, services.audit, services.now, seconds_left):
                yield
        finally:
            for watcher in watchers:
                watcher.cancel()
            # Where one waits for a database that says nothing, closing the store ends it.
            ended, _ = await asyncio.wait(watchers, timeout=seconds_left())
            for watcher in ended:
                with contextlib.suppress(asyncio.CancelledError):
                    watcher.result()  # one that failed says why

    # The first that fits is taken: what is asked most comes first, after fixed addresses that fit it too.
    often = (smart_configuration, history, read, update, create, metadata, search, transaction)
    seldom = (patch, vread, delete, everything, moves, claim, suggest_targets, validate, token, health, docs)
    # Plain routes: FastAPI's own would send every request through a dependency solver that nothing here uses.
    app = FastAPI(
        title="referral",
        version=__version__,
        routes=[
            *(route for module in (*often, *seldom) for route in module.routes),
            *(metrics.routes if with_metrics else ()),
        ],
        lifespan=lifespan,
        redirect_slashes=False,
        # It generates nothing from plain routes: `docs` does.
        openapi_url=None,
        # `tracing` tells what is to be told; FastAPI's own would ask with each request whether it is on.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.add_exception_handler(DomainError, domain_error)
    app.add_exception_handler(HTTPException, unsupported)
    # Each is added around those before it.
    app.add_middleware(Compressed)
    if cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=cors_origins, **CORS)
    app.add_middleware(RequestLog, new_id=services.new_id, meters=services.meters, record=recorder(services))
    if tracing is not None:
        app.add_middleware(tracing.requests)
    return app


def open_tracing(endpoint: str) -> "Tracing":
    """The spans of this process, for the collector at `endpoint`. Raises SettingsError without the extra."""
    try:
        # Only here: who has no collector needs neither the packages nor their memory.
        from referral.api.tracing import Tracing  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra is missing: pip install 'referral[otel]'"
        ) from missing
    return Tracing(endpoint)


def create_metrics_app(services: Services) -> Starlette:
    """An application of its own for the metrics, at an address that only the operator reaches."""
    app = Starlette(routes=metrics.routes)
    app.state.services = services
    return app


def configure_logging(level: str) -> None:
    """Write JSON lines to standard error, ours and those of the libraries."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(_line)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _line(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:
        # Half of a surrogate pair, such as the name of a file that is no UTF-8.
        return json.dumps(event, default=repr)
