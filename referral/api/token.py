"""POST /oauth/token: an access token for a client's signed assertion.

https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token
"""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from referral.actions.issue_token import IssuedToken, OAuthError, OAuthErrorCode, issue_token
from referral.api.body import media_type_of, read_at_most
from referral.api.route import Route
from referral.api.services import Services
from referral.domain.errors import StoreUnavailable, TooLarge

PATH: Final = "/oauth/token"

_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_LARGEST_BODY: Final = 65_536
_MOST_PARAMETERS: Final = 20
_NOT_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def token(request: Request) -> JSONResponse:
    """Answer a token request; errors have the form of https://www.rfc-editor.org/rfc/rfc6749#section-5.2."""
    services: Services = request.app.state.services
    try:
        issued = await issue_token(
            services.store,
            await _form(request),
            token_endpoint=services.base_url + PATH,
            now=services.now(),
            request_id=getattr(request.state, "request_id", None),
            address=request.client.host if request.client else None,
        )
    except OAuthError as refusal:
        request.state.claimed_client = refusal.claimed_client
        return _refusal(refusal)
    except StoreUnavailable as failure:
        content = {"error": "temporarily_unavailable", "error_description": str(failure)}
        return JSONResponse(content, 503, {**_NOT_STORED, "Retry-After": "5"})
    return _answer(issued)


def _answer(issued: IssuedToken) -> JSONResponse:
    content = {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": int(issued.life.total_seconds()),
        "scope": str(issued.scope),
    }
    return JSONResponse(content, headers=_NOT_STORED)


def _refusal(refusal: OAuthError) -> JSONResponse:
    content = {"error": refusal.code.value, "error_description": refusal.description}
    if refusal.code is OAuthErrorCode.INVALID_CLIENT:
        # A 401 must name a scheme (RFC 9110, 11.6.1), and an assertion in the form has none of its own.
        return JSONResponse(content, 401, {**_NOT_STORED, "WWW-Authenticate": 'Bearer realm="token"'})
    return JSONResponse(content, 400, _NOT_STORED)


async def _form(request: Request) -> dict[str, str]:
    """The parameters of the body, each once; an empty one counts as left out (RFC 6749, 3.2)."""
    if media_type_of(request) != _MEDIA_TYPE:
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, f"The body must be {_MEDIA_TYPE}.")
    try:
        body = await read_at_most(request, _LARGEST_BODY)
    except TooLarge as failure:
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, str(failure)) from failure
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError as failure:
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, "The body is not a form of UTF-8 text.") from failure
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, "A parameter is there more than once.")
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, "A parameter has a NUL character.")
    return {name: value for name, value in pairs if value}


routes = [Route(PATH, token, methods=["POST"])]
