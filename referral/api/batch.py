"""Batch: each entry of a Bundle by itself, with an outcome for each. https://hl7.org/fhir/R4/http.html#brules

An entry is asked of the service as a request of its own: by the same doors, with the same rights, refusals,
replays and records.
"""

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

from referral.actions.draft import instant
from referral.api.errors import MEDIA_TYPE, domain_error_response
from referral.api.services import services_of
from referral.domain.errors import DomainError, InvalidElement, MissingElement, NotSupported, TooLarge
from referral.fhir.bundle import entries_of, response_bundle
from referral.fhir.content import write_content
from referral.fhir.intervals import interval
from referral.fhir.validation import check_resource

MOST_ENTRIES: Final = 1000
"""Each is a request; a transaction may have more."""

_LARGEST_ANSWER: Final = 20 * 1024 * 1024
_ORDER: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
_READS: Final = frozenset({"GET", "HEAD"})
_CONDITIONS: Final = {
    "ifMatch": b"if-match",
    "ifNoneMatch": b"if-none-match",
    "ifNoneExist": b"if-none-exist",
}
# An entry is asked with these as the whole is, and under an id of its own.
_PASSED_ON: Final = frozenset({b"authorization", b"prefer", b"traceparent"})
_NUMBERED: Final = frozenset({b"x-request-id", b"idempotency-key"})
# Of an entry it has 255: a dot and the place come behind it.
_LONGEST_KEY: Final = 251


class _Answer:
    """The answer to one entry, as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


async def batch(request: Request, bundle: Mapping[str, Any]) -> Response:
    """Answer each entry, whatever becomes of the others, in the order of a transaction.

    Raises InvalidElement and MissingElement for a Bundle whose entries are no requests, InvalidElement for a
    key that is too long to be theirs too, TooLarge for too many of them.
    """
    # What answers, for the audit and the metrics.
    request.scope["endpoint"] = batch
    entries = [entry for _, entry in entries_of(bundle)]
    if len(entries) > MOST_ENTRIES:
        raise TooLarge(f"A batch has at most {MOST_ENTRIES} entries here: send it in parts.", "Bundle.entry")
    if len(request.headers.get("idempotency-key", "")) > _LONGEST_KEY:
        raise InvalidElement(f"The Idempotency-Key of a batch has at most {_LONGEST_KEY} characters.")
    for position, entry in enumerate(entries):
        if isinstance(entry, dict) and "request" not in entry:
            path = f"Bundle.entry[{position}].request"
            raise MissingElement("An entry of a batch needs its request.", path)
    # What an entry brings is checked by itself.
    shells = [_without_resource(entry) for entry in entries]
    check_resource("Bundle", {**bundle, "entry": shells} if entries else dict(bundle))
    answers = [b""] * len(entries)
    size = 0
    for place in sorted(range(len(entries)), key=lambda each: _ORDER.index(_method(entries[each]))):
        try:
            if size > _LARGEST_ANSWER and _method(entries[place]) in _READS:
                raise TooLarge("The answers before fill the whole: ask in another batch.")
            answer = await _ask(request, place, entries[place])
            answers[place] = _entry(_method(entries[place]), answer)
        except DomainError as refused:
            answers[place] = _refusal(refused)
        size += len(answers[place])
    return Response(response_bundle("batch-response", answers), media_type=MEDIA_TYPE)


def _without_resource(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {name: value for name, value in entry.items() if name != "resource"}


def _method(entry: Mapping[str, Any]) -> str:
    return str(entry["request"]["method"])


async def _ask(request: Request, place: int, entry: Mapping[str, Any]) -> _Answer:
    """Ask the service for one entry. Raises NotSupported for a Bundle in it."""
    asked, whole = entry["request"], request.scope
    url = asked["url"].removeprefix(services_of(request).fhir_base)
    path, _, query = url.lstrip("/").partition("?")
    if not path:
        raise NotSupported("A batch holds no other Bundle.")
    media_type, body = _body(entry)
    headers = [(name, value) for name, value in whole["headers"] if name in _PASSED_ON]
    headers += [(name, b"%b.%d" % (value, place)) for name, value in whole["headers"] if name in _NUMBERED]
    headers += [(header, asked[name].encode()) for name, header in _CONDITIONS.items() if name in asked]
    if "ifModifiedSince" in asked:
        moment = interval(asked["ifModifiedSince"]).low
        headers.append((b"if-modified-since", format_datetime(moment, usegmt=True).encode()))
    # Else a Binary would come as what it holds.
    headers += [(b"accept", b"application/fhir+json")]
    headers += [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
    scope: Scope = {
        **{name: whole[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server")},
        "root_path": "",
        "method": asked["method"],
        "path": f"/fhir/{unquote(path)}",
        "raw_path": f"/fhir/{quote(path, safe='/%$:=,;@!*()')}".encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    answer = _Answer()
    await request.app(scope, receive, answer.take)
    return answer


def _body(entry: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Media type and body: the resource, or what the Binary of a PATCH holds."""
    resource = entry.get("resource")
    if resource is None:
        return b"", b""
    if isinstance(resource, dict) and resource.get("resourceType") == "Binary" and _method(entry) == "PATCH":
        check_resource("Binary", resource)
        return resource["contentType"].encode(), b64decode(resource.get("data", ""))
    return b"application/fhir+json", write_content(resource)


def _entry(method: str, answer: _Answer) -> bytes:
    response: dict[str, object] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    entry: dict[str, object] = {}
    if location := answer.header(b"location"):
        entry["fullUrl"] = location.partition("/_history/")[0]
        response["location"] = location
    if etag := answer.header(b"etag"):
        response["etag"] = etag
    if modified := answer.header(b"last-modified"):
        response["lastModified"] = instant(parsedate_to_datetime(modified).astimezone(UTC))
    if answer.body and method != "HEAD" and answer.header(b"content-type") == MEDIA_TYPE:
        if answer.body.startswith(b'{"resourceType":"OperationOutcome"'):
            response["outcome"] = orjson.Fragment(answer.body)
        else:
            entry["resource"] = orjson.Fragment(answer.body)
    return orjson.dumps(entry | {"response": response})


def _refusal(error: DomainError) -> bytes:
    """The entry of an answer for what is refused before it is asked."""
    answer = _Answer()
    response = domain_error_response(error)
    answer.status, answer.headers, answer.body = (
        response.status_code,
        dict(response.raw_headers),
        bytes(response.body),
    )
    return _entry("", answer)
