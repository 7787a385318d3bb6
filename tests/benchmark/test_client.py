"""The load generator against a server that answers as it is told."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from scripts.benchmark.client import Requests, WrongStatus, drive, http_request


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that sends these pieces, one by one, for each request; its port, and what it was sent."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            seen.append(line)
            while await reader.readline() != b"\r\n":
                pass
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            if not pieces:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def numbered() -> Callable[[], Iterator[bytes]]:
    numbers = itertools.count()
    return lambda: (http_request("GET", f"/{next(numbers)}", "t") for _ in itertools.count())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody".lower().replace(b"http", b"HTTP")


async def test_every_answer_is_counted_once_and_has_its_time() -> None:
    async with answering(OK) as (port, seen):
        found = await drive(Requests(port, 200, numbered()), 3, 0.1)
    assert len(found.latencies) == len(set(seen)) == len(seen) >= 3
    assert all(latency > 0 for latency in found.latencies)
    assert found.rate == pytest.approx(len(seen) / found.seconds)


@pytest.mark.parametrize("at", [5, 20, len(OK) - 6, len(OK) - 2])
async def test_an_answer_may_come_in_pieces(at: int) -> None:
    async with answering(OK[:at], OK[at:]) as (port, seen):
        found = await drive(Requests(port, 200, numbered()), 1, 0.05)
    assert len(found.latencies) == len(seen) >= 1


async def test_another_status_ends_the_measuring_and_is_shown() -> None:
    async with answering(OK) as (port, _):
        with pytest.raises(WrongStatus, match=r"200 where 201 was due.*body"):
            await drive(Requests(port, 201, numbered()), 1, 0.1)


async def test_a_connection_that_ends_early_is_no_answer() -> None:
    async with answering() as (port, _):
        with pytest.raises(WrongStatus, match="the connection ended"):
            await drive(Requests(port, 200, numbered()), 1, 0.1)


def test_a_request_says_how_long_it_is() -> None:
    assert http_request("PUT", "/x", "t", "é".encode(), 'If-Match: W/"1"\r\n') == (
        b"PUT /x HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer t\r\n"
        b'Content-Type: application/fhir+json\r\nContent-Length: 2\r\nIf-Match: W/"1"\r\n\r\n\xc3\xa9'
    )
