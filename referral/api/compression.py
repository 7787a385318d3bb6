"""Answers in gzip, for who asks for it. https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3"""

from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

# What is smaller goes in one packet as it is.
_SMALLEST: Final = 1000
# Most of it is compressed already, and whoever takes long over it wants to know how much is to come.
_BYTES: Final = "/fhir/Binary/"
# Of 9: nearly as small as the last, at a third of its cost.
_LEVEL: Final = 5


class Compressed:
    """ASGI: an application whose answers are compressed where the client names gzip; else they pass by."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressing = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI event stream."""
        app = self._plain
        if scope["type"] == "http" and not scope["path"].startswith(_BYTES):
            for name, value in scope["headers"]:
                if name == b"accept-encoding" and b"gzip" in value and not _is_refused(value):
                    app = self._compressing
                    break
        await app(scope, receive, send)


def _is_refused(value: bytes) -> bool:
    for coding in value.replace(b" ", b"").split(b","):
        name, _, weight = coding.partition(b";q=")
        if name == b"gzip":
            return weight.rstrip(b"0.") == b"" and weight != b""
    return True
