"""A server that greets as a PostgreSQL of some version and then answers nothing."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# https://www.postgresql.org/docs/current/protocol-message-formats.html
_SSL_REQUEST = 80877103


@asynccontextmanager
async def greeting_server(version: str) -> AsyncIterator[str]:
    """Its address; `version` as in server_version."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length, code = struct.unpack("!II", await reader.readexactly(8))
                await reader.readexactly(length - 8)
                if code != _SSL_REQUEST:
                    break
                writer.write(b"N")
            writer.write(_message(b"R", struct.pack("!I", 0)))
            for name, value in {"server_version": version, "client_encoding": "UTF8"}.items():
                writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
            writer.write(_message(b"K", struct.pack("!II", 1, 1)) + _message(b"Z", b"I"))
            await reader.read(1)  # the goodbye, or a statement: then the client is cut off
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"postgresql://any@127.0.0.1:{server.sockets[0].getsockname()[1]}/any"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
