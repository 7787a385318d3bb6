"""Spans in a collector of OpenTelemetry, a real HTTP server here; and nothing at all where none is set."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from referral.api.tracing import Tracing
from referral.store.pool import Store
from tests.cli.test_serve import PATIENCE, _refused, _run, _serve
from tests.conftest import Database
from tests.factories import LE_CHAN, created, patient
from tests.running_service import RunningService

FAMILY, NUMBER = "Quách-Thiên-Lý", "TESTONLY-7781-2290"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent, as sent and as spans."""

    def __init__(self, handler: type["Handler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def collecting(handler: type[Handler]) -> Iterator[Collector]:
    with Collector(handler) as server:
        running = threading.Thread(target=server.serve_forever)
        running.start()
        yield server
        server.shutdown()
        running.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting(Handler) as server:
        yield server


def attributes(span: Any) -> dict[str, object]:
    found = {}
    for pair in span.attributes:
        value = pair.value
        found[pair.key] = value.int_value if value.HasField("int_value") else value.string_value
    return found


async def test_a_request_and_its_statements_are_spans_of_the_trace_that_it_names(
    collector: Collector, demo_database: Database, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": demo_database.dsn, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    store = await Store.open(demo_database.dsn, size=1)
    with _serve(tmp_path / "d", **environment) as running:
        service = RunningService(running.url, store)
        station = await service.system(LE_CHAN)
        who = await created(station, patient(name=[{"family": FAMILY}]))
        traced = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "traced-7"}
        body = patient(id=who["id"], identifier=[{"system": "urn:test", "value": NUMBER}])
        answer = await station.put(f"Patient/{who['id']}", json=body, headers=traced)
        assert answer.status_code == 200, answer.text
        assert (
            await station.get("Patient", params={"family": FAMILY, "identifier": NUMBER})
        ).status_code == 200
        assert (await station.get("Patient/nobody", headers={"traceparent": "nonsense"})).status_code == 404
        await service.close()
    await store.close()

    spans = collector.spans()  # all of them: the service has ended
    (put,) = [span for span in spans if span.name == "PUT update"]
    assert (put.trace_id.hex(), put.parent_span_id.hex()) == (TRACE, PARENT)
    told = attributes(put)
    assert told["http.response.status_code"] == 200
    assert told["http.route"] == "/fhir/{resource_type}/{resource_id}"
    assert (told["referral.request_id"], told["referral.facility"]) == ("traced-7", LE_CHAN)
    statements = [span for span in spans if span.parent_span_id == put.span_id]
    assert {span.trace_id.hex() for span in statements} == {TRACE}
    # By their ends: a start is reckoned back from there, by another clock.
    names = [span.name for span in sorted(statements, key=lambda span: span.end_time_unix_nano)]
    assert names == ["store BEGIN", "store change_set.load_each", "store change_set.apply", "store COMMIT"]
    for span in statements:
        assert put.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    (lost,) = [span for span in spans if span.name == "GET read"]
    assert lost.parent_span_id == b""
    # The service's own work is no request's, and is in no trace.
    requests = {span.span_id for span in spans if not span.name.startswith("store ")}
    assert {span.parent_span_id for span in spans if span.name.startswith("store ")} <= requests

    sent = b"".join(collector.bodies)
    for secret in (FAMILY.encode(), NUMBER.encode(), b"1961-05-04", b"Bearer"):
        assert secret not in sent
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "traced-7"]
    assert line["trace_id"] == TRACE
    assert all(len(line["trace_id"]) == 32 for line in lines if line["event"] == "request")


def test_a_collector_that_is_away_disturbs_nobody(demo_database: Database, tmp_path: Path) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with _serve(tmp_path / "d", DATABASE_URL=demo_database.dsn, **away) as running:
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0
    for line in (tmp_path / "log").read_text().splitlines():
        json.loads(line)


def test_a_collector_that_says_nothing_is_not_waited_for() -> None:
    closed, in_time = threading.Event(), []

    class Silent(Handler):
        def do_POST(self) -> None:
            in_time.append(closed.wait(PATIENCE))
            super().do_POST()

    with collecting(Silent) as server:
        tracing = Tracing(server.address)
        tracing.tracer.start_span("last").end()
        tracing.close(0.1)
        closed.set()
        while not server.bodies:
            time.sleep(0.01)
    assert in_time == [True]


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, referral.cli.serve\n"
        "optional = ('opentelemetry.sdk', 'opentelemetry.exporter', 'google')\n"
        "sys.exit(any(name.startswith(optional) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=PATIENCE).returncode == 0


def test_a_collector_without_the_extra_is_one_line(demo_database: Database, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.sdk'] = None\n")
    line = _refused(
        _run(
            *("serve", "--data", str(tmp_path / "d"), "--port", "0"),
            DATABASE_URL=demo_database.dsn,
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
            PYTHONPATH=str(tmp_path),
        )
    )
    assert "referral[otel]" in line
