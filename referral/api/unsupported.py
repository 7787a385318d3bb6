"""Methods and addresses that the service has not: an operation, a history of everything, a slip of the pen.

They are refused to everybody alike, and below /fhir recorded as all else that is asked for: a try is a try.
"""

from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from referral.api.actor import current_actor
from referral.api.errors import domain_error_response, outcome_response
from referral.domain.errors import NotSignedIn, NotSupported, StoreUnavailable


async def unsupported(request: Request, error: Exception) -> Response:
    """404 or 405 for the error of a router; 503 where nobody can tell who asks, or it cannot be recorded."""
    if not isinstance(error, HTTPException):
        raise error
    # "*" has no slash (RFC 9110, 9.3.7: OPTIONS).
    top, *named = request.scope["path"].removeprefix("/").split("/")
    if top == "fhir":
        # What answers, for the audit and the metrics: no route does.
        request.scope["endpoint"] = unsupported
        request.scope["path_params"] = dict(zip(("resource_type", "resource_id"), named, strict=False))
        try:
            with suppress(NotSignedIn):
                await current_actor(request)
        except StoreUnavailable as away:
            return domain_error_response(away)
    if top == "fhir" and named and named[-1].startswith("$"):
        return domain_error_response(NotSupported("The service has no such operation."))
    unknown = error.status_code == 404
    headers = error.headers if unknown else {"Allow": ", ".join(_methods(request))}
    text = "There is no such address here." if unknown else "This address has no such method."
    code = "not-found" if unknown else "not-supported"
    return outcome_response(error.status_code, [("error", code, text, None)], headers)


def _methods(request: Request) -> list[str]:
    """What an address takes: the router tells of its first route alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})
