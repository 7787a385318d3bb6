"""A relay between clients and servers that cuts connections, also in the middle of an answer."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65536


@dataclass(slots=True, eq=False)
class _Pair:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Relay:
    """Relays every connection to one of the servers, until it is told to cut."""

    def __init__(self, dice: random.Random, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._dice, self._connect = dice, connect
        self._pairs: set[_Pair] = set()
        self._to_cut = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one client."""
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, server_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, server_writer), self._answer(server_reader, pair))
        except OSError:
            pass
        finally:
            pair.abort()
            self._pairs.discard(pair)

    def cut_all(self) -> int:
        """Reset every connection there is; returns how many."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.abort()
        return len(pairs)

    def cut_answers(self, count: int) -> None:
        """Cut the next answers, each after a part of it, or before its first byte."""
        self._to_cut = count

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _answer(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while chunk := await reader.read(_CHUNK):
            if self._to_cut > 0:
                self._to_cut -= 1
                pair.client.write(chunk[: self._dice.randrange(len(chunk))])
                await pair.client.drain()
                raise ConnectionAbortedError("cut")
            pair.client.write(chunk)
            await pair.client.drain()
        pair.abort()
