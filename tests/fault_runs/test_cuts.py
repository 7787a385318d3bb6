"""The relay hands everything on, until it cuts."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from scripts.fault_runs.cuts import Relay, Streams

ANSWER = b"an answer of some length"
CUT = (asyncio.IncompleteReadError, ConnectionResetError)


@pytest.fixture
async def relay() -> AsyncIterator[tuple[Relay, int]]:
    """A relay in front of a server that answers every line; and the port of the relay."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)

    async def connect() -> Streams:
        return await asyncio.open_connection(*server.sockets[0].getsockname())

    made = Relay(random.Random(1), connect)
    front = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, front.sockets[0].getsockname()[1]
    made.cut_all()
    for one in (front, server):
        one.close()


async def test_it_hands_on_what_both_say(relay: tuple[Relay, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay[1])
    for _ in range(2):
        writer.write(b"ask\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
    writer.close()


async def test_it_cuts_an_answer_short_and_then_serves_again(relay: tuple[Relay, int]) -> None:
    relay[0].cut_answers(1)
    reader, writer = await asyncio.open_connection("127.0.0.1", relay[1])
    writer.write(b"ask\n")
    with pytest.raises(CUT):
        await reader.readexactly(len(ANSWER))
    writer.close()
    await test_it_hands_on_what_both_say(relay)


async def test_it_cuts_all_that_is_connected(relay: tuple[Relay, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay[1])
    writer.write(b"ask\n")
    await reader.readexactly(len(ANSWER))
    assert relay[0].cut_all() == 1
    with pytest.raises(CUT):
        await reader.readexactly(1)
    writer.close()
