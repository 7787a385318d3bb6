"""Spans of requests and of their statements, for a collector of OpenTelemetry. https://opentelemetry.io/docs/specs/otlp/

Imported only where a collector is set: the packages are those of the extra `otel`. A span says what the line
of the log says: ids, never an address as it was sent, never a value of a statement. The usual instrumentation
of ASGI and asyncpg is not used, for it tells both.
"""

import threading
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from referral import __version__

_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """The spans of one process. endpoint: address of the collector, without `/v1/traces`.

    Its SDK reads what else it needs from `OTEL_` variables: service name, headers, share of requests.
    """

    def __init__(self, endpoint: str) -> None:
        resource = Resource.create({"service.name": "referral", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))
        )
        self.tracer = self._provider.get_tracer("referral", __version__)

    def statement(self, name: str, seconds: float, failed: bool) -> None:
        """A statement has ended: a span within that of its request; the service's own have none."""
        if not get_current_span().get_span_context().is_valid:
            return
        end = time.time_ns()
        span = self.tracer.start_span(
            f"store {name}",
            kind=SpanKind.CLIENT,
            start_time=end - round(seconds * 1e9),
            attributes={"db.system.name": "postgresql", "db.query.summary": name},
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def requests(self, app: ASGIApp) -> "TracedRequests":
        """The middleware around an application."""
        return TracedRequests(app, self.tracer)

    def close(self, seconds: float) -> None:
        """Send what is not sent yet; blocks until then, and at most so long."""
        # By itself the SDK waits for a collector that says nothing for half a minute.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(seconds)


class TracedRequests:
    """ASGI middleware: a span for each request, in the trace that its `traceparent` names.

    https://www.w3.org/TR/trace-context/. The id of the trace goes into the line of the log.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI event stream."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            scope["method"],
            context=_PROPAGATOR.extract(sent),
            kind=SpanKind.SERVER,
            # Its text may quote what a client sent.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            trace_id = format_trace_id(span.get_span_context().trace_id)
            scope.setdefault("state", {})["trace_id"] = trace_id
            await self._app(scope, receive, note)
            _describe(span, scope, status)


def _describe(span: Span, scope: Scope, status: int) -> None:
    state = scope.get("state", {})
    actor = state.get("actor")
    interaction = getattr(scope.get("endpoint"), "__name__", "unknown")
    span.update_name(f"{scope['method']} {interaction}")
    known = {
        "http.request.method": scope["method"],
        "http.response.status_code": status,
        "http.route": getattr(scope.get("route"), "path", None),
        "referral.interaction": interaction,
        "referral.request_id": state.get("request_id"),
        "referral.facility": getattr(actor, "facility", None),
        "referral.client": getattr(actor, "client", None),
    }
    span.set_attributes({name: value for name, value in known.items() if value is not None})
    if status >= 500:
        span.set_status(StatusCode.ERROR)
