"""HTTP over one connection that stays, with nothing around it: for tests that ask thousands of questions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of headers are in small letters."""

    status_code: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.text)


@dataclass(slots=True)
class Line:
    """A connection to the service; its requests go one after another."""

    host: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, base_url: str) -> "Line":
        """Connect to the host of this address."""
        host = urlsplit(base_url).netloc
        name, _, port = host.partition(":")
        return cls(host, *await asyncio.open_connection(name, int(port)))

    async def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and wait for its answer."""
        named = {"Host": self.host, "Content-Length": str(len(body or b"")), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        found = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        text = (await self.reader.readexactly(int(found.get("content-length", "0")))).decode()
        return Answer(int(first.split()[1]), found, text)

    def close(self) -> None:
        """Hang up."""
        self.writer.close()
