"""Attachments as the bytes that they are. https://hl7.org/fhir/R4/binary.html

As FHIR JSON a Binary goes through the doors of every resource. Bytes come into a file of their own and out in
parts: what a worker holds of them does not grow with their number.
"""

import binascii
import re
from collections.abc import AsyncIterator
from hashlib import sha1, sha256
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from referral.actions.draft import Draft
from referral.api.body import JSON, media_type_of
from referral.api.errors import MEDIA_TYPE
from referral.api.replay import write_once
from referral.api.respond import answer_for_one
from referral.api.services import services_of
from referral.domain.actor import Actor
from referral.domain.errors import NotFound, StoreUnavailable, TooLarge
from referral.domain.scope import Interaction, check_scope
from referral.domain.search import SearchQuery
from referral.fhir.attachment import BINARY
from referral.fhir.validation import check_resource
from referral.store.blob import NewBlob, read_part
from referral.store.document import StoredResource

_IN_MEMORY: Final = 256 * 1024
# Of three bytes base64 makes four characters: parts of it fit each other where they hold whole threes.
_PART: Final = 3 * 128 * 1024
_FHIR_JSON: Final = "application/fhir+json"
_FORMATS: Final = frozenset({"json", "application/json", _FHIR_JSON, "application/fhir json"})
_SENDABLE: Final = re.compile(r"[!-~]{1,1000}")
# Nobody's browser is to run what somebody attached: https://hl7.org/fhir/R4/security.html#binary
_HARMLESS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Vary": "Accept",
}


def brings_bytes(request: Request, resource_type: str) -> bool:
    """Whether the body of a write is what a Binary holds, and not the resource."""
    return resource_type == BINARY and media_type_of(request) not in JSON


async def write_bytes(
    request: Request,
    actor: Actor,
    resource_id: str,
    *,
    is_create: bool,
    expected: int | None = None,
    condition: SearchQuery | None = None,
) -> Response:
    """Store the body as a Binary of its Content-Type; `X-Security-Context` is kept as its securityContext.

    Raises WrongMediaType, TooLarge before all of it is read, BrokenRule for no bytes, StoreUnavailable.
    """
    services = services_of(request)
    rules = services.attachments
    check_scope(actor.scope, BINARY, Interaction.CREATE if is_create else Interaction.UPDATE)
    content: dict[str, Any] = {
        "resourceType": BINARY,
        "id": resource_id,
        "contentType": request.headers.get("content-type", "").strip(),
    }
    rules.check_media_type(content["contentType"])
    context = request.headers.get("x-security-context")
    if context is not None:
        content["securityContext"] = {"reference": context}
    check_resource(BINARY, content)
    with SpooledTemporaryFile(_IN_MEMORY) as spooled:
        # All that is used of a file it has.
        file = cast("BinaryIO", spooled)
        try:
            blob, digest = await _receive(request, file, rules.largest)
        except OSError as failure:
            raise StoreUnavailable(
                "There is no room for it at this moment; send it again later."
            ) from failure
        rules.check_size(blob.size)
        draft = Draft(BINARY, resource_id, content, is_create, expected, condition=condition, blob=blob)
        # What makes it the same write as another one, in place of a body.
        same = orjson.dumps([content["contentType"], context, digest.hex()])
        render = answer_for_one(request, services.fhir_base)
        async with services.attaching:
            return await write_once(request, actor, same, [draft], render)


async def _receive(request: Request, file: BinaryIO, most: int) -> tuple[NewBlob, bytes]:
    """The body in a file, and its SHA-256. Raises TooLarge; what is declared larger is not read at all."""
    too_large = f"An attachment has at most {most} bytes here."
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(too_large)
    size, strong, weak = 0, sha256(), sha1(usedforsecurity=False)
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge(too_large)
        strong.update(chunk)
        weak.update(chunk)
        file.write(chunk)
    return NewBlob(file, size, weak.digest()), strong.digest()


async def answer_with_bytes(
    request: Request, facility: str, found: StoredResource, resource_id: str, answer: Response
) -> Response:
    """The bytes of a version, or all of it as FHIR JSON where that is asked for by name.

    answer: what any other resource would be answered with; 304 stays as it is.
    """
    if answer.status_code == 304:
        return answer
    store, key = services_of(request).store, (resource_id, found.version)
    first = await read_part(store, facility, key, start=0, length=_PART)
    if first is None:
        raise NotFound(f"There is no such {BINARY}, or you may not see it.")

    async def parts() -> AsyncIterator[bytes]:
        yield first.content
        for start in range(_PART, first.size, _PART):
            part = await read_part(store, facility, key, start=start, length=_PART)
            if part is None:
                # Its head is sent already: so it ends before its length.
                raise NotFound(f"This {BINARY} is not to be seen any more.")
            yield part.content

    content = orjson.loads(found.content)
    headers = {name: answer.headers[name] for name in ("etag", "last-modified")} | _HARMLESS
    if _wants_json(request):
        head = found.content.rstrip()[:-1].encode() + b', "data": "'
        length = len(head) + (first.size + 2) // 3 * 4 + len(b'"}')
        body, media_type = _in_json(head, parts()), MEDIA_TYPE
    else:
        length, body, media_type = first.size, parts(), content["contentType"]
        context = content.get("securityContext", {}).get("reference", "")
        if _SENDABLE.fullmatch(context):
            headers["X-Security-Context"] = context
    headers |= {"Content-Length": str(length), "Content-Type": media_type}
    if request.method == "HEAD":
        return Response(headers=headers)
    return StreamingResponse(body, headers=headers)


def _wants_json(request: Request) -> bool:
    form = request.query_params.get("_format", "").lower()
    accepted = ",".join(request.headers.getlist("accept")).lower().split(",")
    return form in _FORMATS or any(each.partition(";")[0].strip() == _FHIR_JSON for each in accepted)


async def _in_json(head: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for part in parts:
        yield binascii.b2a_base64(part, newline=False)
    yield b'"}'
