"""What pages of other origins may send and see. https://fetch.spec.whatwg.org/#http-cors-protocol

No cookies: a page brings its token itself.
"""

from typing import Any, Final

CORS: Final[dict[str, Any]] = {
    "allow_methods": ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"),
    "allow_headers": (
        *(
            "Authorization",
            "If-Match",
            "If-Modified-Since",
            "If-None-Exist",
            "If-None-Match",
            "Idempotency-Key",
        ),
        *("Prefer", "X-Request-ID", "X-Security-Context", "traceparent"),
    ),
    "expose_headers": (
        *("ETag", "Last-Modified", "Location", "Retry-After", "WWW-Authenticate"),
        *("X-Replayed", "X-Request-ID", "X-Security-Context"),
    ),
    "max_age": 600,
}
"""Arguments of Starlette's middleware, besides the origins."""
