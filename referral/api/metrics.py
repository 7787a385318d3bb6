"""GET /metrics: what an operator watches. https://prometheus.io/docs/instrumenting/exposition_formats/

It holds counts and times, no patient data and no ids, so it needs no token; `REFERRAL_METRICS_LISTEN` gives
it an address of its own.
"""

import platform
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from referral import __version__
from referral.api.route import Route
from referral.api.services import Services, services_of
from referral.domain.policy_rules import ClockKind
from referral.store.deadline import ClockCount


class _ServiceCollector:
    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        yield from self._services.meters.collect()
        yield from _pool(self._services)
        yield from _versions(self._services)
        yield from _graph(self._services)
        yield from _offers(self._services)
        yield from _clocks(self._services)
        yield GaugeMetricFamily(
            "referral_audit_waiting",
            "Audit records of reads that are not stored yet",
            len(self._services.audit),
        )
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("referral_build", "The version that runs", build)


def _pool(services: Services) -> Iterator[Metric]:
    use = services.store.use
    yield GaugeMetricFamily("referral_pool_connections_max", "Connections that the pool may open", use.most)
    connections = GaugeMetricFamily(
        "referral_pool_connections", "Open connections, by use", labels=("state",)
    )
    connections.add_metric(["in-use"], use.in_use)
    connections.add_metric(["idle"], use.open - use.in_use)
    yield connections
    yield GaugeMetricFamily("referral_pool_waiting", "Uses that wait for a free connection", use.waiting)
    yield CounterMetricFamily("referral_pool_uses", "Times that a connection was asked for", use.uses)
    yield CounterMetricFamily(
        "referral_pool_wait_seconds", "Time spent on waiting for a free connection", use.waited_seconds
    )


def _versions(services: Services) -> Iterator[Metric]:
    versions = services.versions
    yield GaugeMetricFamily(
        "referral_remembered_bytes", "Documents that the process remembers", versions.held_bytes
    )
    asked = CounterMetricFamily(
        "referral_remembered",
        "Documents of worklists that were looked up there, by whether they were found",
        labels=("found",),
    )
    asked.add_metric(["yes"], versions.found)
    asked.add_metric(["no"], versions.missed)
    yield asked


def _graph(services: Services) -> Iterator[Metric]:
    snapshots, now = services.snapshots, time.monotonic()
    yield GaugeMetricFamily(
        "referral_graph_version", "Version of the network that suggestions rest on", snapshots.current.version
    )
    yield GaugeMetricFamily(
        "referral_graph_age_seconds", "Time since that version was loaded", now - snapshots.swapped_at
    )
    yield GaugeMetricFamily(
        "referral_graph_unchecked_seconds",
        "Time since it was last found to be the stored version; grows while the database is away",
        now - snapshots.confirmed_at,
    )


def _offers(services: Services) -> Iterator[Metric]:
    """Of the whole database, as it was last looked at in the background: here nothing is asked of it."""
    waiting = GaugeMetricFamily(
        "referral_offers_waiting",
        "Offers that wait for an answer, of all networks, by state",
        labels=("state",),
    )
    oldest = GaugeMetricFamily(
        "referral_offer_oldest_seconds",
        "Time since the one that stands there longest was last moved; absent where none waits",
        labels=("state",),
    )
    now = services.now()
    for found in services.offers.waiting:
        waiting.add_metric([found.state], found.offers)
        if found.since is not None:
            # The clock of the replica that moved it may be ahead.
            oldest.add_metric([found.state], max(0.0, (now - found.since).total_seconds()))
    yield waiting
    yield oldest
    yield GaugeMetricFamily(
        "referral_offers_unchecked_seconds",
        "Time since these were last counted; grows while the database is away",
        time.monotonic() - services.offers.checked_at,
    )


def _clocks(services: Services) -> Iterator[Metric]:
    """Of the whole database, too."""
    open_clocks = GaugeMetricFamily(
        "referral_clocks", "Clocks that run, of all networks, by what is owed", labels=("kind",)
    )
    overdue = GaugeMetricFamily(
        "referral_clocks_overdue", "Of these, those whose time is over", labels=("kind",)
    )
    escalated = GaugeMetricFamily(
        "referral_clocks_escalated", "Of these, those that the office was told of", labels=("kind",)
    )
    oldest = GaugeMetricFamily(
        "referral_clock_oldest_due_seconds",
        "Time since the first of them was due; negative while none is; absent where none runs",
        labels=("kind",),
    )
    behind = GaugeMetricFamily(
        "referral_clocks_behind_seconds",
        "How long what is due waits for a worker: near 0 while one runs, growing while none does",
    )
    now = services.now()
    known = {found.kind: found for found in services.offers.clocks}
    for found in (known.get(kind, ClockCount(kind, 0, 0, 0, None)) for kind in (None, *ClockKind)):
        since = None if found.oldest is None else (now - found.oldest).total_seconds()
        if found.kind is None:
            behind.add_metric([], max(0.0, since or 0.0))
            continue
        open_clocks.add_metric([found.kind], found.running)
        overdue.add_metric([found.kind], found.overdue)
        escalated.add_metric([found.kind], found.escalated)
        if since is not None:
            oldest.add_metric([found.kind], since)
    yield from (open_clocks, overdue, escalated, oldest, behind)


def exposition(services: Services) -> bytes:
    """All metrics in the text format. No process-global registry: a process may hold several services."""
    state = CollectorRegistry()
    state.register(_ServiceCollector(services))
    ProcessCollector(registry=state)
    return generate_latest(state)


async def metrics(request: Request) -> Response:
    """The metrics of this process, as they stand now."""
    return Response(exposition(services_of(request)), media_type=CONTENT_TYPE_PLAIN_0_0_4)


routes = [Route("/metrics", metrics)]
