"""The load generator: HTTP/1.1 over raw sockets, one request at a time on each connection.

It writes bytes that are ready and reads no more of an answer than its status and its length: what it costs is
the same for the service and for the floor, and it takes part in neither.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self, cast

_LENGTH = b"content-length: "
_PATIENCE_SECONDS = 60


class WrongStatus(Exception):
    """An answer with another status than the work must get; nothing was measured then."""


@dataclass(frozen=True, slots=True)
class Requests:
    """One kind of request to one port. `make` begins a sequence of raw requests, one for each connection."""

    port: int
    status: int
    make: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Slice:
    """What came of driving, in seconds: how long, the latency of each answer, CPU of the client."""

    seconds: float
    latencies: tuple[float, ...]
    client_seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds


def http_request(method: str, path: str, token: str, body: bytes = b"", headers: str = "") -> bytes:
    """A raw request; `headers` are whole lines."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


async def drive(requests: Requests, connections: int, seconds: float) -> Slice:
    """Keep so many connections busy for so long.

    Raises WrongStatus for the first answer with another status, or where a connection ends early.
    """
    gc.disable()
    try:
        loop = asyncio.get_running_loop()
        opened = [
            (await loop.create_connection(lambda: _Connection(requests), "127.0.0.1", requests.port))[1]
            for _ in range(connections)
        ]
        cpu, begun = time.process_time(), time.perf_counter()
        for one in opened:
            one.begin(begun + seconds)
        async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
            await asyncio.gather(*(one.finished for one in opened))
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    finally:
        gc.enable()
    return Slice(took, tuple(latency for one in opened for latency in one.latencies), cpu)


class _Connection(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends again until the time is over."""

    def __init__(self, requests: Requests) -> None:
        self._wanted = b"%d" % requests.status
        self._requests = requests.make()
        self._left = b""
        self._end = self._sent = 0.0
        self.latencies: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, end: float) -> Self:
        self._end = end
        self._send()
        return self

    def _send(self) -> None:
        request = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._left + data if self._left else data
        head = answer.find(b"\r\n\r\n")
        if head < 0 or len(answer) < head + 4 + self._length(answer, head):
            self._left = answer
            return
        self._left = b""
        now = time.perf_counter()
        if answer[9:12] != self._wanted:
            self._fail(
                f"{answer[:12].decode()} where {self._wanted.decode()} was due: {answer[head + 4 :][:800]!r}"
            )
            return
        self.latencies.append(now - self._sent)
        if now < self._end:
            self._send()
        else:
            self.finished.set_result(None)
            self._transport.close()

    @staticmethod
    def _length(answer: bytes, head: int) -> int:
        start = answer.find(_LENGTH, 0, head)
        return int(answer[start + len(_LENGTH) : answer.find(b"\r\n", start)]) if start >= 0 else 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection ended: {exc}")

    def _fail(self, what: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(WrongStatus(what))
            self._transport.close()
