"""The body of a write: its size, its media type, its one resource. https://hl7.org/fhir/R4/http.html#mime-type"""

import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from referral.actions.draft import ABSENT
from referral.actions.run_aside import run_aside
from referral.api.services import LARGEST_BODY
from referral.domain.errors import InvalidElement, TooLarge, WrongMediaType
from referral.fhir.content import read_content
from referral.fhir.media_range import is_ours
from referral.fhir.primitives import ID
from referral.fhir.validation import check_resource

JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})
"""Media types of a resource."""

_ETAG = re.compile(r'(?:W/)?"([0-9]{1,9})"')
# Read by `api/negotiation.py`.
_FORM = frozenset({"_format", "_pretty"})
# More than any reader of them takes, so that it is the one to say so.
_MOST_PAIRS = 1000


def media_type_of(request: Request) -> str:
    """The media type of the body, without its parameters; empty where none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_at_most(request: Request, most: int) -> bytes:
    """The body. Raises TooLarge beyond `most` bytes; what is declared larger is not read at all."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(f"A body has at most {most} bytes here.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"A body has at most {most} bytes here.")
    return bytes(body)


async def read_body(request: Request) -> bytes:
    """The bytes. Raises WrongMediaType unless it is declared as JSON, TooLarge beyond LARGEST_BODY."""
    _, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type_of(request) not in JSON or (parameters and not is_ours(parameters)):
        raise WrongMediaType("Send application/fhir+json of FHIR 4.0, in UTF-8.")
    return await read_at_most(request, LARGEST_BODY)


def read_pairs(text: bytes) -> list[tuple[str, str]]:
    """The parameters of an address or a form, decoded. Raises InvalidElement for what is no UTF-8."""
    try:
        return parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS
        )
    except ValueError:
        raise InvalidElement("Parameters are UTF-8 text, not too many of them.") from None


def read_asked(request: Request) -> list[tuple[str, str]]:
    """The parameters of an address, but for those that say how the answer is to be written."""
    return [pair for pair in read_pairs(request.scope["query_string"]) if pair[0] not in _FORM]


def read_resource(body: bytes, resource_type: str) -> dict[str, Any]:
    """The resource in the body of a request to the address of a type.

    Raises MalformedContent, InvalidElement when it is of another type; it is not checked further.
    """
    content = read_content(body)
    if content.get("resourceType") != resource_type:
        raise InvalidElement(f"The body must be a {resource_type}.", "resourceType")
    return content


async def read_checked(body: bytes, resource_type: str) -> dict[str, Any]:
    """The resource in the body, checked. Raises what `read_resource` and `check_resource` do."""
    return await run_aside(len(body), _read_checked, body, resource_type)


def _read_checked(body: bytes, resource_type: str) -> dict[str, Any]:
    content = read_resource(body, resource_type)
    check_resource(resource_type, content)
    return content


def check_id(resource_id: str) -> None:
    """Raises InvalidElement for what is no FHIR id (https://hl7.org/fhir/R4/datatypes.html#id)."""
    if not ID.fullmatch(resource_id):
        raise InvalidElement("An id has 1 to 64 of A-Z, a-z, 0-9, '-' and '.'.", "id")


def read_expected(
    if_match: str | None, if_none_match: str | None, expression: str | None = None
) -> int | None:
    """The version that an update is of, ABSENT for `If-None-Match: *`; None where neither is there.

    Raises InvalidElement for another form, and for both. expression: as in `read_version`.
    """
    if if_none_match is None:
        return read_version(if_match, expression and f"{expression}.ifMatch")
    if if_match is not None or if_none_match.strip() != "*":
        raise InvalidElement(
            "If-None-Match of an update is *, for what must not be there, without If-Match.",
            expression and f"{expression}.ifNoneMatch",
        )
    return ABSENT


def read_version(tag: str | None, expression: str | None = None) -> int | None:
    """The version in an `If-Match`; None where there is none. Raises InvalidElement for another form.

    expression: the FHIRPath of a tag that stands in a Bundle.
    """
    if tag is None:
        return None
    found = _ETAG.fullmatch(tag.strip())
    if found is None:
        raise InvalidElement('If-Match names one version, as W/"3".', expression)
    return int(found[1])
