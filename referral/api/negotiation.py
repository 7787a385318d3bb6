"""In which form an answer is wanted: `Accept`, `_format`, `_pretty`. https://hl7.org/fhir/R4/http.html#mime-type

There is one form, JSON. Who wants none but another is told so before anything is done.
"""

from typing import Final

from starlette.types import Message, Scope, Send

from referral.api.body import read_pairs
from referral.api.errors import MEDIA_TYPE
from referral.domain.errors import InvalidElement, NotAcceptable
from referral.fhir.attachment import BINARY
from referral.fhir.content import reread_content, write_content
from referral.fhir.media_range import accepted, is_format

# What nearly all send: looked up, not taken apart.
_USUAL: Final = frozenset({None, b"", b"*/*", b"application/fhir+json", b"application/json"})
_READS: Final = frozenset({"GET", "HEAD"})


def wants_pretty(scope: Scope) -> bool:
    """Whether the answer is to be written for a reader's eyes.

    What a Binary holds is given as it is, in whatever form that may be.
    Raises NotAcceptable where only another form is wanted, or another version of FHIR; InvalidElement.
    """
    if _is_of_bytes(scope):
        return False
    query: bytes = scope["query_string"]
    form, pretty = None, False
    if b"_format" in query or b"_pretty" in query:
        found = dict(read_pairs(query))
        form = found.get("_format") or None
        if (wish := found.get("_pretty", "")) not in {"", "true", "false"}:
            raise InvalidElement("Parameter _pretty: it is true or false.")
        pretty = wish == "true"
    if form is not None:
        taken = is_format(form)
    else:
        accept = _accept(scope)
        taken = accept in _USUAL or accepted((accept or b"").decode("latin-1"))
    if not taken:
        raise NotAcceptable("Answers are application/fhir+json of FHIR 4.0, and nothing else.")
    return pretty


def _is_of_bytes(scope: Scope) -> bool:
    named = scope["path_params"]
    return named.get("resource_type") == BINARY and "resource_id" in named and scope["method"] in _READS


def _accept(scope: Scope) -> bytes | None:
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"accept":
            found = value if found is None else found + b"," + value
    return found


class Pretty:
    """ASGI: what is sent through it, with line breaks and indentation."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        """Take one message; the whole goes on with the last."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        headers = dict(self._start["headers"])
        if self._body and headers.get(b"content-type") == MEDIA_TYPE.encode():
            self._body = write_content(reread_content(self._body), pretty=True)
            headers[b"content-length"] = b"%d" % len(self._body)
            self._start["headers"] = list(headers.items())
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})
