"""Clients that are slow, silent or endless: each is answered or dropped; the others are served meanwhile."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from referral.api.connections import Limits
from tests.conftest import Database, serve
from tests.factories import LE_CHAN, created, observation, patient
from tests.running_service import RunningService

SMALL = Limits(
    connections=40,
    head=16 * 1024,
    pipelined=16,
    head_seconds=600,
    body_seconds=600,
    unread_seconds=600,
    every=0.05,
)
HURRIED = replace(SMALL, head_seconds=0.5, body_seconds=0.5)
TOKEN = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
async def small(demo_database: Database) -> AsyncIterator[RunningService]:
    """A service for little, with more patience than a slow machine needs."""
    async with serve(demo_database.dsn, SMALL) as running:
        yield running


@pytest.fixture(scope="module")
async def hurried(demo_database: Database) -> AsyncIterator[RunningService]:
    """A service that waits for nobody: only for requests that never end."""
    async with serve(demo_database.dsn, HURRIED) as running:
        yield running


class ByteLine:
    """One connection, byte by byte. Nothing is read until somebody asks."""

    def __init__(self, service: RunningService) -> None:
        self._port = urlsplit(service.base_url).port
        self.socket = socket.socket()

    async def __aenter__(self) -> Self:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def rest(self) -> bytes:
        """All that comes until the service closes."""
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while some := await asyncio.get_running_loop().sock_recv(self.socket, 65536):
                found += some
        return found

    async def answer(self) -> tuple[int, str]:
        """Status and issue code of the one answer before the service closes."""
        head, _, body = (await self.rest()).partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert f"content-length: {len(body)}".encode() in head.lower()
        (issue,) = json.loads(body)["issue"]
        return int(head.split()[1]), issue["code"]


async def value(service: RunningService, name: str, **labels: str) -> float:
    async with service.anonymous() as nobody:
        text = (await nobody.get("/metrics")).text
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found[0] if found else 0


async def dropped(service: RunningService, reason: str) -> float:
    return await value(service, "referral_connections_dropped_total", reason=reason)


async def test_who_says_nothing_is_dropped(hurried: RunningService) -> None:
    async with ByteLine(hurried) as line:
        assert await line.rest() == b""
    assert await dropped(hurried, "silent") >= 1


@pytest.mark.parametrize("begun", [b"G", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_does_not_end_is_answered_in_time(hurried: RunningService, begun: bytes) -> None:
    async with ByteLine(hurried) as line:
        await line.send(begun)
        assert await line.answer() == (408, "timeout")


async def test_a_second_head_on_a_connection_must_end_too(hurried: RunningService) -> None:
    async with ByteLine(hurried) as line:
        await line.send(ALIVE)
        await line.send(b"GET /healthz HT")
        first, _, second = (await line.rest()).partition(b"HTTP/1.1 408")
        assert first.startswith(b"HTTP/1.1 200")
        assert second


@pytest.mark.parametrize(
    "length", [b"Content-Length: 500\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
async def test_a_body_that_does_not_end_is_answered_in_time(hurried: RunningService, length: bytes) -> None:
    async with ByteLine(hurried) as line:
        await line.send(TOKEN + length + b"gran")
        assert await line.answer() == (408, "timeout")


async def test_a_body_that_goes_on_after_its_answer_is_not_read_for_ever(demo_database: Database) -> None:
    async with serve(demo_database.dsn, replace(SMALL, linger_seconds=0.1)) as brief, ByteLine(brief) as line:
        await line.send(b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        told = await line.rest()
        assert told.startswith(b"HTTP/1.1 401")
        assert await dropped(brief, "rest") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Many: y\r\n" * 2_000 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 300_000,
        b"GET /" + b"x" * 300_000,
        b"\r\n" * 20_000,
    ],
    ids=[
        "a header",
        "many headers",
        "the address",
        "a header without end",
        "an address without end",
        "nothing",
    ],
)
async def test_a_head_that_is_too_long_is_answered(small: RunningService, head: bytes) -> None:
    async with ByteLine(small) as line:
        with contextlib.suppress(ConnectionError):
            await line.send(head)
        assert await line.answer() == (431, "too-long")


async def test_what_is_sent_with_a_short_head_does_not_count_as_head(small: RunningService) -> None:
    body = b"grant_type=" + b"x" * 40_000
    async with ByteLine(small) as line:
        await line.send(TOKEN + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert (await line.rest()).startswith(b"HTTP/1.1 400")


async def test_what_is_not_http_is_answered(small: RunningService) -> None:
    async with ByteLine(small) as line:
        await line.send(b"\x16\x03\x01\x02\x00\x01\x00")
        assert await line.answer() == (400, "structure")


async def test_a_chunk_that_is_none_ends_the_request(small: RunningService) -> None:
    async with ByteLine(small) as line:
        await line.send(TOKEN + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        assert await line.answer() == (400, "structure")


async def test_requests_sent_ahead_are_answered_in_order_up_to_a_number(small: RunningService) -> None:
    async with ByteLine(small) as line:
        await line.send(ALIVE * 10 + ALIVE.replace(b"Host", b"Connection: close\r\nHost"))
        assert (await line.rest()).count(b"HTTP/1.1 200") == 11
    async with ByteLine(small) as line:
        with contextlib.suppress(ConnectionError):
            await line.send(ALIVE * 5_000)
        assert (await line.rest()).count(b"HTTP/1.1 200") <= SMALL.pipelined
    assert await dropped(small, "400") >= 1


async def test_an_answer_that_nobody_reads_is_given_up_and_leaves_no_memory(
    service: RunningService, demo_database: Database
) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    long = [{"text": "x" * 300_000}]
    for _ in range(18):  # 5.4 MB, more than the system keeps between two processes
        await created(station, observation(who["id"], note=long))
    async with serve(demo_database.dsn, replace(SMALL, unread_seconds=0.1)) as brief, ByteLine(brief) as line:
        await line.send(
            f"GET /fhir/Observation?subject=Patient/{who['id']}&_count=50 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {station.auth._token}\r\n\r\n".encode()
        )
        while await dropped(brief, "unread") < 1:  # noqa: ASYNC110 - told by nothing else
            await asyncio.sleep(0.05)
        assert 0 < len(await line.rest()) < 5_400_000
        assert await value(brief, "referral_connections_held_bytes") == 0


async def test_bodies_that_wait_are_held_up_to_a_size(demo_database: Database) -> None:
    body = b"x" * 60_000
    head = TOKEN + b"Content-Length: 65000\r\n\r\n"
    many = 39
    wide = Limits(connections=1000, held=1_000_000)
    async with serve(demo_database.dsn, wide) as held, contextlib.AsyncExitStack() as all_of_them:
        lines = [await all_of_them.enter_async_context(ByteLine(held)) for _ in range(many)]
        for line in lines:
            await line.send(head + body)
        # 16 of them are a million bytes; the others are gone.
        while await dropped(held, "memory") < many - 17:  # noqa: ASYNC110 - told by nothing else
            await asyncio.sleep(0.02)
        assert await value(held, "referral_connections_held_bytes") <= 1_000_000
        async with held.anonymous() as nobody:
            assert (await nobody.get("/readyz")).status_code == 200


async def test_others_are_served_while_many_dribble(demo_database: Database) -> None:
    patient_ = Limits(connections=40, head_seconds=600, body_seconds=600)
    half = [b"", b"GET /fhir", TOKEN + b"Content-Length: 9\r\n\r\nx", b"GET /healthz HTTP/1.1\r\nX: "]
    async with serve(demo_database.dsn, patient_) as full, contextlib.AsyncExitStack() as all_of_them:
        station = await full.system(LE_CHAN)
        who = await created(station, patient())
        for number in range(120):
            line = await all_of_them.enter_async_context(ByteLine(full))
            await line.send(half[number % len(half)])
            if number % 10 == 0:
                async with full.anonymous() as somebody:
                    assert (await somebody.get("/healthz")).status_code == 200
        assert (await station.get(f"Patient/{who['id']}")).status_code == 200
        assert await value(full, "referral_connections") <= 40
        assert await dropped(full, "full") >= 80


async def test_who_is_being_answered_is_never_dropped_for_another(demo_database: Database) -> None:
    busy = Limits(connections=10)
    async with serve(demo_database.dsn, busy) as full, contextlib.AsyncExitStack() as pool:
        connections = [await pool.enter_async_context(full.store.reading(None)) for _ in range(10)]
        assert len(connections) == 10
        async with full.anonymous() as somebody:
            asking = [asyncio.create_task(somebody.get("/readyz")) for _ in range(10)]
            while full.store.use.waiting < 10:  # noqa: ASYNC110 - told by nothing else
                await asyncio.sleep(0.01)
            async with ByteLine(full) as line:
                await line.send(ALIVE)
                assert await line.answer() == (503, "transient")
            await pool.aclose()
            assert [answer.status_code for answer in await asyncio.gather(*asking)] == [200] * 10
        async with full.anonymous() as another:
            assert (await another.get("/healthz")).status_code == 200


async def test_connections_that_break_leave_the_watch_at_work(hurried: RunningService) -> None:
    for begun in (b"G", TOKEN + b"Content-Length: 9\r\n\r\nx", ALIVE * 3, b""):
        async with ByteLine(hurried) as line:
            await line.send(begun)
            # Closed by a reset.
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with ByteLine(hurried) as line:
        assert await line.rest() == b""
