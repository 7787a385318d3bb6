"""One JSON line for each request: who, which route, how it went, how long. Ids only, never patient data."""

import re
import time
import traceback
from collections.abc import Callable

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from referral.api.errors import fault_response
from referral.api.meters import Meters

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class RequestLog:
    """ASGI: gives each request its id (`X-Request-ID`, the client's own if any), counts, audits and logs it.

    A fault is answered here, and goes no further: the server would log it with its text.
    """

    def __init__(
        self,
        app: ASGIApp,
        new_id: Callable[[], str],
        meters: Meters,
        record: Callable[[Scope, int], None],
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._meters = meters
        self._record = record
        self._log = structlog.get_logger("referral.request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI event stream."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _given_id(scope) or self._new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        self._meters.begin()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # Before the status: where it fails, a fault is answered instead.
                self._record(scope, message["status"])
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        fault: Exception | None = None
        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            # Nobody is there to be answered: the line has the status 0.
            pass
        except Exception as error:  # noqa: BLE001 - whoever gets it would log its text
            fault = error
            if not status:
                await fault_response()(scope, receive, note)
        finally:
            seconds = time.perf_counter() - started
            self._meters.end(scope, status, seconds)
            self._write(scope, status, seconds, fault)

    def _write(self, scope: Scope, status: int, seconds: float, fault: Exception | None) -> None:
        actor = scope["state"].get("actor")
        fields = {
            "request_id": scope["state"]["request_id"],
            "actor": getattr(actor, "facility", None),
            "client": getattr(actor, "client", None),
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", "unknown"),
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if "trace_id" in scope["state"]:
            fields["trace_id"] = scope["state"]["trace_id"]
        if scope["state"].get("replayed"):
            fields["replayed"] = True
        if fault is None:
            self._log.info("request", **fields)
        else:
            # Where, not what: the text of an exception may quote what a client sent.
            frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)]
            self._log.error("fault", **fields, error=type(fault).__name__, frames=frames[-12:])


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None
