"""Who asks: the bearer token of a request as an Actor. https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""

import re
from typing import Final

from starlette.requests import Request

from referral.actions.issue_token import hash_of
from referral.api.services import Services
from referral.domain.actor import Actor
from referral.domain.errors import NotSignedIn, StoreUnavailable
from referral.store.client import find_token

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,512}=*)", re.IGNORECASE)


async def current_actor(request: Request) -> Actor:
    """The actor of the request. Raises NotSignedIn without a token that is valid now.

    Raises StoreUnavailable when the audit cannot take what the actor is about to do.
    """
    services: Services = request.app.state.services
    if "actor" in request.scope.get("state", ()):
        # It is asked within another request, which knows.
        known: Actor = request.state.actor
        return known
    if not services.audit.has_room:
        raise StoreUnavailable("The audit cannot be written now; send the same request again later.")
    headers = request.headers.getlist("authorization")
    bearer = _BEARER.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    if bearer is None:
        raise NotSignedIn("This needs an access token: Authorization: Bearer, once.")
    now = services.now()
    token_hash = hash_of(bearer[1])
    actor = services.tokens.find(token_hash, now)
    if actor is not None:
        request.state.actor = actor
        return actor
    async with services.store.reading(None) as connection:
        found = await find_token(connection, token_hash, now)
    if found is None:
        raise NotSignedIn("The access token is unknown or has expired.")
    actor, expires_at = found
    services.tokens.keep(token_hash, actor, expires_at=expires_at, now=now)
    request.state.actor = actor
    return actor
