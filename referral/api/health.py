"""Whether the process lives, and whether it can serve."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import StoreUnavailable


async def healthz(_request: Request) -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 when the database answers, else 503 with Retry-After.

    Networks of whose policy a version cannot be read are named: what needs its rules alone is refused.
    """
    services = services_of(request)
    try:
        async with services.store.reading(None) as connection:
            await connection.execute("SELECT 1")
    except StoreUnavailable:
        return JSONResponse({"status": "no database"}, 503, {"Retry-After": "5"})
    unreadable = sorted(services.snapshots.current.unread)
    return JSONResponse({"status": "ready"} | ({"unreadable_policies": unreadable} if unreadable else {}))


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
