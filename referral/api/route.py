"""A route of the service: an address, its methods and the function that answers."""

from starlette.routing import Route as _Route
from starlette.types import Receive, Scope, Send


class Route(_Route):
    """Tells the scope which route answers, for the log: Starlette's router would, FastAPI's does not."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that this route was chosen for."""
        scope["route"] = self
        await super().handle(scope, receive, send)
