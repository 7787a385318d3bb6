"""The end of every write door: what is sent again is answered again, and not done again.

https://hl7.org/fhir/R4/http.html#custom (X-Request-Id),
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ (Idempotency-Key).
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft, Written
from referral.actions.name_entry import entries_named
from referral.actions.write_resources import Follow, write_resources
from referral.api.services import services_of
from referral.domain.actor import Actor
from referral.domain.errors import InvalidElement
from referral.store.replay import Answer, Once

_STRICT_KEY: Final = re.compile(r"[!-~]{1,255}")


async def write_once(
    request: Request,
    actor: Actor,
    body: bytes,
    drafts: Sequence[Draft],
    render: Callable[[list[Written]], Answer],
    *,
    follow: Follow | None = None,
) -> Response:
    """Write the drafts that stand in the body, or answer as this write was answered before.

    body: its bytes, or others that are the same for the same body alone. follow: as `write_resources` has it.
    """
    services = services_of(request)

    def noted(written: list[Written]) -> Answer:
        # To be recorded as read: what is written leaves a row by itself.
        request.state.unchanged = [one for one in written if one.unchanged]
        return render(written)

    async def write(now: datetime, same: Once | None) -> Answer:
        return await write_resources(
            services.store,
            drafts,
            actor=actor,
            base=services.fhir_base,
            now=now,
            new_id=services.new_id,
            request_id=request.state.request_id,
            address=request.client.host if request.client else None,
            render=noted,
            follow=follow,
            once=same,
            attachments=services.attachments,
            snapshot=services.snapshots.current,
            rules=services.rules,
            size=len(body),
        )

    with entries_named(drafts):
        return await answer_once(request, actor, body, write)


async def answer_once(
    request: Request,
    actor: Actor,
    body: bytes,
    write: Callable[[datetime, Once | None], Awaitable[Answer]],
) -> Response:
    """The answer of `write`, which is given the time and what makes it the same as one before."""
    now = services_of(request).now()
    answer = await write(now, once(request, actor, body, now))
    headers = dict(answer.headers)
    if answer.replayed:
        request.state.replayed = True
        headers["X-Replayed"] = "true"
    return Response(answer.body, answer.status, headers)


def once(request: Request, actor: Actor, body: bytes, now: datetime) -> Once | None:
    """What makes this write the same as another one of its client; None when the client names no request.

    `Idempotency-Key` alone decides where it is sent: gateways give each attempt an X-Request-ID of their own.
    Raises InvalidElement for one that cannot keep what it promises.
    """
    strict = request.headers.getlist("idempotency-key")
    # Several are one, as with every header (RFC 9110, 5.2).
    request_id = ",".join(request.headers.getlist("x-request-id"))
    if not strict and not request_id.strip(" ,"):
        return None
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    same = _hash(request.method.encode(), target, sha256(body).digest())
    if strict:
        if len(strict) > 1 or not _STRICT_KEY.fullmatch(strict[0]):
            raise InvalidElement("Idempotency-Key is sent once: 1 to 255 visible characters of ASCII.")
        key = _hash(b"key", actor.client.encode(), strict[0].encode())
        return Once(key.hex(), same.hex(), now)
    # Another condition is another write, whatever its body: A, then B, then A again on a newer version.
    conditions = [",".join(request.headers.getlist(name)) for name in ("if-match", "if-none-exist")]
    conditions += request.headers.getlist("if-none-match")
    parts = [part.encode("latin-1") for part in (request_id, *conditions)]
    key = _hash(b"request", actor.client.encode(), *parts, same)
    return Once(key.hex(), same.hex(), now)


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()
