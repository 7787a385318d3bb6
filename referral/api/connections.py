"""Connections whose client is slow, silent or endless. https://owasp.org/www-community/attacks/Slow_Header_Attack

At every moment of a connection somebody owes the next step. What the client owes (a head, a body, the reading
of an answer) it must bring on within a time; where connections or memory run short, the one that has owed
longest goes first. So who sends whole requests is served whatever others do, with no limit for an address:
behind a proxy all clients have one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from referral.api.errors import MEDIA_TYPE, outcome_response
from referral.fhir.content import write_content
from referral.fhir.outcome import operation_outcome

_log = structlog.get_logger(__name__)

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server bears. Sizes in bytes, times in seconds.

    head: a request's line and headers. held: bodies that are not answered yet and answers that are not read
    yet, of all connections. A body may take body_seconds, and longer while it comes faster than body_rate
    (bytes a second). unread_seconds: how long an answer may make no progress. pipelined: requests sent ahead.
    linger_seconds: for the client to notice an answer that it did not wait for.
    """

    connections: int = 12_000
    head: int = 32 * 1024
    held: int = 256 * 1024 * 1024
    pipelined: int = 16
    head_seconds: float = 20
    body_seconds: float = 20
    body_rate: int = 500
    unread_seconds: float = 30
    linger_seconds: float = 5
    every: float = 1


class Debt(StrEnum):
    """What the client owes."""

    REQUEST = "request"
    HEAD = "head"
    BODY = "body"
    REST = "rest"  # of a body that is answered already
    READING = "reading"
    GOODBYE = "goodbye"


class Guard:
    """The connections of one server, and which of them wait for their client, longest first."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.held = 0
        self._open: set[GuardedConnection] = set()
        self._indebted: dict[GuardedConnection, None] = {}
        self._dropped: Counter[str] = Counter()

    def protocol(self, **uvicorns: Any) -> "GuardedConnection":
        """A connection of uvicorn under this guard: what `uvicorn.Config(http=...)` calls for each."""
        return GuardedConnection(self, **uvicorns)

    def admit(self, connection: "GuardedConnection") -> bool:
        """Let a connection in, in place of one that waits for its client; False where all have work to do."""
        if len(self._open) >= self.limits.connections and not self._drop_longest("full"):
            self._dropped["refused"] += 1
            return False
        self._open.add(connection)
        return True

    def settle(self, connection: "GuardedConnection", debt: Debt | None) -> None:
        """Its client now owes this, since now."""
        self._indebted.pop(connection, None)
        if debt is not None and connection in self._open:
            self._indebted[connection] = None

    def forget(self, connection: "GuardedConnection") -> None:
        """It is closed, or as good as closed."""
        self.hold(connection, 0)
        self._open.discard(connection)
        self._indebted.pop(connection, None)

    def hold(self, connection: "GuardedConnection", size: int) -> bool:
        """So many bytes are kept for it now; False where that is too much and nobody can be dropped."""
        if connection not in self._open:
            return True
        self.held += size - connection.held
        connection.held = size
        while self.held > self.limits.held:
            if not self._drop_longest("memory", holding=True):
                return False
        return True

    def count(self, reason: str) -> None:
        """A connection is given up for this reason."""
        self._dropped[reason] += 1

    async def watch(self) -> None:
        """Close what owes for too long, for ever; tell the log how many of each kind, if any, each time."""
        told: Counter[str] = Counter()
        while True:
            await asyncio.sleep(self.limits.every)
            now = time.monotonic()
            for number, connection in enumerate(list(self._indebted)):
                if connection in self._indebted:
                    self._check(connection, now)
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)  # thousands may be due at one moment, and others ask for something
            if self._dropped != told:
                _log.warning("connections_dropped", open=len(self._open), **(self._dropped - told))
                told = self._dropped.copy()

    def collect(self) -> Iterable[Metric]:
        """For the metrics."""
        yield GaugeMetricFamily("referral_connections", "Open connections of clients", len(self._open))
        yield GaugeMetricFamily(
            "referral_connections_owed", "Of these, those that wait for their client", len(self._indebted)
        )
        yield GaugeMetricFamily(
            "referral_connections_held_bytes", "Bodies not answered and answers not read yet", self.held
        )
        dropped = CounterMetricFamily(
            "referral_connections_dropped",
            "Connections that were closed on a client, by reason",
            labels=("reason",),
        )
        for reason, count in self._dropped.items():
            dropped.add_metric([reason], count)
        yield dropped

    def _check(self, connection: "GuardedConnection", now: float) -> None:
        try:
            connection.check(now)
        except Exception as fault:  # noqa: BLE001 - a watch that ended would bear with everybody for ever
            # Closed, too: forgotten alone it would be open with nobody to watch it.
            connection.drop("fault")
            _log.error("connection_check_failed", error=type(fault).__name__)

    def _drop_longest(self, reason: str, *, holding: bool = False) -> bool:
        for connection in self._indebted:
            if connection.held or not holding:
                connection.drop(reason)
                return True
        return False


class GuardedConnection(HttpToolsProtocol):
    """One connection of uvicorn, whose debts are known to the guard."""

    def __init__(self, guard: Guard, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._guard, self._limits = guard, guard.limits
        self._debt: Debt | None = None
        self._since = 0.0
        self._head = 0  # bytes of a head that is not complete
        self._in_body = self._refused = False
        self._received = 0  # bytes of bodies that are not answered
        self._unsent = 0  # bytes of answers that nobody reads, as last seen
        self.held = 0  # both, as the guard has counted them

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._guard.admit(self):
            self._settle()
        else:
            self._refused = True
            self._answer(503, "transient", "Too many connections have work to do; try again.")
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._in_body:
            self._head += len(data)
        super().data_received(data)
        if self._head > self._limits.head and not self._in_body:
            self.refuse(431, "too-long", f"A head has at most {self._limits.head} bytes here.")
        self._settle()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head += 1  # its bytes were counted for the request before, where both came at once

    def on_headers_complete(self) -> None:
        head, self._head = self._head, 0
        if len(self.pipeline) >= self._limits.pipelined:
            # Ends the parsing; uvicorn calls send_400_response.
            raise ValueError("too many requests sent ahead")
        self._in_body = True
        # Within one read, what follows the head was counted with it.
        if head > self._limits.head and self._head_size() > self._limits.head:
            served, self.app = self.app, _head_too_long
            super().on_headers_complete()
            self.app = served
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:
            self._received += len(body)
            if not self._guard.hold(self, self._received + self._unsent):
                self.refuse(
                    503, "transient", "The service holds too much at this moment; send it again later."
                )

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._received and self.cycle.response_complete:
            self._received = 0
            self._guard.hold(self, self._unsent)
        self._settle()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._guard.hold(self, self._received + self._unsent)
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unsent = 0
        self._guard.hold(self, self._received)
        self._settle()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of uvicorn
        self.refuse(400, "structure", "This is not a request of HTTP/1.1.")

    def check(self, now: float) -> None:
        """Close it where its client has owed too long. now: of the monotonic clock."""
        self._settle()
        limits, owed = self._limits, now - self._since
        match self._debt:
            case Debt.REQUEST if owed > (
                self.config.timeout_keep_alive if self.cycle else limits.head_seconds
            ):
                self.drop("silent")
            case Debt.HEAD if owed > limits.head_seconds:
                self.refuse(408, "timeout", "The head of the request did not come in time.")
            case Debt.BODY if self.flow.read_paused:
                self._since = now  # it is we who do not take it
            case Debt.BODY if owed > limits.body_seconds + self._received / limits.body_rate:
                self.refuse(408, "timeout", "The body of the request did not come in time.")
            case Debt.READING:
                left = self.transport.get_write_buffer_size()
                if left < self._unsent:
                    self._since = now
                elif owed > limits.unread_seconds:
                    self.drop("unread")
                self._unsent = left
            case Debt.REST if owed > limits.linger_seconds:
                self.drop("rest")
            case Debt.GOODBYE if owed > limits.linger_seconds:
                self.transport.abort()

    def refuse(self, status: int, code: str, text: str) -> None:
        """Answer what cannot be received, where that is possible still, and say no more.

        Then it waits a moment for the client to close: closed at once, what it still sends would make its
        system throw the answer away. https://www.rfc-editor.org/rfc/rfc9112#section-9.6
        """
        if self._refused or self.transport.is_closing():
            return
        if self._is_working():
            if self.cycle.response_started or not self._in_body:
                self.drop(str(status))
                return
            # Whoever reads the body is told that nobody is there.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._guard.count(str(status))
        self._guard.hold(self, 0)
        self._refused = True
        self.flow.resume_reading()
        self._answer(status, code, text)
        # It may be found broken as it is written to.
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self._settle()

    def drop(self, reason: str) -> None:
        """Close it at once, without a word."""
        self._guard.count(reason)
        self._guard.forget(self)
        self.transport.abort()

    def _settle(self) -> None:
        debt = self._owes()
        if debt is not self._debt:
            self._debt, self._since = debt, time.monotonic()
            self._guard.settle(self, debt)

    def _owes(self) -> Debt | None:
        if self._refused:
            return Debt.GOODBYE
        if self.flow.write_paused or self.transport.is_closing():
            return Debt.READING
        if self._in_body:
            return Debt.BODY if self._is_working() else Debt.REST
        if self._is_working():
            return None
        return Debt.HEAD if self._head else Debt.REQUEST

    def _is_working(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _answer(self, status: int, code: str, text: str) -> None:
        body = write_content(operation_outcome([("error", code, text, None)]))
        more = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (STATUS_LINE[status], MEDIA_TYPE.encode(), len(body), more, body)
        )


async def _head_too_long(scope: Scope, receive: Receive, send: Send) -> None:
    text = "The line of the request and its headers are too long."
    response = outcome_response(431, [("error", "too-long", text, None)], {"Connection": "close"})
    await response(scope, receive, send)
