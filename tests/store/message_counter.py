"""A proxy between a store and PostgreSQL that counts the messages which need an answer, and can lose one.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

# A simple query, the end of an extended one, and what prepares one: each waits for the server.
_WAITING = (b"Q", b"S", b"H")
_PARSE = b"P"


class MessageCounter:
    """What has gone by since `reset`."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self._loses = False

    def lose_commit(self) -> None:
        """Break the connection at the next COMMIT, which is done, and not answered."""
        self._loses = True

    def loses(self, message: bytes) -> bool:
        """Whether this is the one."""
        found = self._loses and b"COMMIT" in message
        self._loses = self._loses and not found
        return found

    def reset(self) -> None:
        self._seen.clear()

    def note(self, kind: bytes) -> None:
        self._seen[kind] += 1

    @property
    def round_trips(self) -> int:
        return sum(self._seen[kind] for kind in _WAITING)

    @property
    def prepared(self) -> int:
        """How many statements were parsed on the way."""
        return self._seen[_PARSE]


@asynccontextmanager
async def counted(dsn: str) -> AsyncIterator[tuple[str, MessageCounter]]:
    """An address that leads to the database of `dsn` (by its socket), and the counter on the way."""
    parts = urlsplit(dsn)
    place = parse_qs(parts.query)
    socket = f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"
    counter = MessageCounter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(socket)
        backwards = asyncio.create_task(_copy(from_server, writer))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            # The first message alone has no letter before its length.
            to_server.write(await _message(reader))
            while True:
                kind = await reader.readexactly(1)
                message = await _message(reader)
                counter.note(kind)
                lost = counter.loses(message)
                if lost:
                    backwards.cancel()
                    await asyncio.wait([backwards])
                to_server.write(kind + message)
                await to_server.drain()
                if lost:
                    # Answered is done.
                    await from_server.read(65536)
                    break
        to_server.close()
        writer.close()
        await asyncio.wait([backwards])

    listening = await asyncio.start_server(serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    address = f"{re.sub(r'@.*', '', dsn)}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    async with listening:
        yield address, counter


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length) - 4)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()
