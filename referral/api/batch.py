"""Batch: each entry of a Bundle by itself, with an outcome for each. https://hl7.org/fhir/R4/http.html#brules

An entry is asked of the service as a request of its own: by the same doors, with the same rights, refusals,
replays and records.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from referral.api.bundle_entry import EntryAnswer, entry_scope, received
from referral.api.errors import MEDIA_TYPE, domain_error_response
from referral.domain.errors import DomainError, InvalidElement, MissingElement, NotSupported, TooLarge
from referral.fhir.bundle import READS, entries_of, response_bundle
from referral.fhir.content import write_content
from referral.fhir.validation import check_resource

MOST_ENTRIES: Final = 1000
"""Each is a request; a transaction may have more."""

_LARGEST_ANSWER: Final = 20 * 1024 * 1024
_ORDER: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
# An entry is asked under an id of its own.
_NUMBERED: Final = frozenset({b"x-request-id", b"idempotency-key"})
# Of an entry it has 255: a dot and the place come behind it.
_LONGEST_KEY: Final = 251


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
            if size > _LARGEST_ANSWER and _method(entries[place]) in READS:
                raise TooLarge("The answers before fill the whole: ask in another batch.")
            answer = await _ask(request, place, entries[place])
            answers[place] = answer.entry(_method(entries[place]))
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


async def _ask(request: Request, place: int, entry: Mapping[str, Any]) -> EntryAnswer:
    """Ask the service for one entry. Raises NotSupported for a Bundle in it."""
    media_type, body = _body(entry)
    scope = entry_scope(request, entry["request"])
    if scope["path"] == "/fhir/":
        raise NotSupported("A batch holds no other Bundle.")
    scope["headers"] += [
        (name, b"%b.%d" % (value, place)) for name, value in request.scope["headers"] if name in _NUMBERED
    ]
    scope["headers"] += [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
    answer = EntryAnswer()
    await request.app(scope, received(body), answer.take)
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


def _refusal(error: DomainError) -> bytes:
    """The entry of an answer for what is refused before it is asked."""
    response = domain_error_response(error)
    answer = EntryAnswer(response.status_code, dict(response.raw_headers), bytes(response.body))
    return answer.entry("")
