"""An entry of a Bundle as a request of its own, and its answer as an entry. https://hl7.org/fhir/R4/http.html#transaction"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from referral.actions.draft import instant
from referral.api.errors import MEDIA_TYPE
from referral.api.services import services_of
from referral.fhir.intervals import interval

_CONDITIONS: Final = {
    "ifMatch": b"if-match",
    "ifNoneMatch": b"if-none-match",
    "ifNoneExist": b"if-none-exist",
}
# An entry is asked with these as the whole is.
_PASSED_ON: Final = frozenset({b"authorization", b"prefer", b"traceparent"})


@dataclass(slots=True)
class EntryAnswer:
    """The answer to one entry, as it comes."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    async def take(self, message: Message) -> None:
        """The `send` of ASGI."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")

    def entry(self, method: str) -> bytes:
        """The entry of the answer, as JSON."""
        response: dict[str, object] = {"status": f"{self.status} {HTTPStatus(self.status).phrase}"}
        entry: dict[str, object] = {}
        if location := self._header(b"location"):
            entry["fullUrl"] = location.partition("/_history/")[0]
            response["location"] = location
        if etag := self._header(b"etag"):
            response["etag"] = etag
        if modified := self._header(b"last-modified"):
            response["lastModified"] = instant(parsedate_to_datetime(modified).astimezone(UTC))
        if self.body and method != "HEAD" and self._header(b"content-type") == MEDIA_TYPE:
            if self.body.startswith(b'{"resourceType":"OperationOutcome"'):
                response["outcome"] = orjson.Fragment(self.body)
            else:
                entry["resource"] = orjson.Fragment(self.body)
        return orjson.dumps(entry | {"response": response})

    def _header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


def entry_scope(request: Request, asked: Mapping[str, Any]) -> Scope:
    """What ASGI knows of the request that an entry is; `asked` is its Bundle.entry.request."""
    whole = request.scope
    url = asked["url"].removeprefix(services_of(request).fhir_base)
    path, _, query = url.lstrip("/").partition("?")
    headers = [(name, value) for name, value in whole["headers"] if name in _PASSED_ON]
    headers += [(header, asked[name].encode()) for name, header in _CONDITIONS.items() if name in asked]
    if "ifModifiedSince" in asked:
        moment = interval(asked["ifModifiedSince"]).low
        headers.append((b"if-modified-since", format_datetime(moment, usegmt=True).encode()))
    # Else a Binary would come as what it holds.
    headers.append((b"accept", b"application/fhir+json"))
    return {
        **{name: whole[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server")},
        "root_path": "",
        "method": asked["method"],
        "path": f"/fhir/{unquote(path)}",
        "raw_path": f"/fhir/{quote(path, safe='/%$:=,;@!*()')}".encode(),
        "query_string": query.encode(),
        "headers": headers,
    }


def received(body: bytes) -> Receive:
    """The `receive` of ASGI, for a body that is there; then nothing more: nobody goes before the answer."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in messages:
            return message
        forever: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await forever

    return receive
