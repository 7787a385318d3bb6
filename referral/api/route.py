"""A route of the service: an address, its methods and the function that answers."""

from contextlib import suppress

from starlette.requests import Request
from starlette.routing import Match
from starlette.routing import Route as _Route
from starlette.types import Receive, Scope, Send

from referral.api.actor import current_actor
from referral.api.negotiation import Pretty, wants_pretty
from referral.domain.errors import NotAcceptable, NotSignedIn


class Route(_Route):
    """Tells the scope which route answers, for the log: Starlette's router would, FastAPI's does not.

    Below /fhir it sees to the form that the answer is wanted in.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As of Starlette; an address of another depth is told from this one without its expression."""
        if scope["path"].count("/") != self.path.count("/"):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that this route was chosen for."""
        scope["route"] = self
        if self.path.startswith("/fhir"):
            try:
                if wants_pretty(scope):
                    send = Pretty(send).send
            except NotAcceptable:
                # Whom the record is to name.
                with suppress(NotSignedIn):
                    await current_actor(Request(scope))
                raise
        await super().handle(scope, receive, send)
