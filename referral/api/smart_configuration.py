"""GET /.well-known/smart-configuration: where and how a client gets a token.

https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known
"""

from starlette.requests import Request
from starlette.responses import JSONResponse

from referral.actions.issue_token import ALGORITHMS, GRANT_TYPE
from referral.api import token
from referral.api.route import Route
from referral.api.services import Services


async def smart_configuration(request: Request) -> JSONResponse:
    """The same document at the base of the server and of FHIR, without a token."""
    services: Services = request.app.state.services
    return JSONResponse(
        {
            "token_endpoint": services.base_url + token.PATH,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "grant_types_supported": [GRANT_TYPE],
            "scopes_supported": ["system/*.cruds", "system/*.rs"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
            # Required of every server, also of one without the authorization code grant.
            "code_challenge_methods_supported": ["S256"],
        }
    )


routes = [
    Route("/fhir/.well-known/smart-configuration", smart_configuration),
    Route("/.well-known/smart-configuration", smart_configuration),
]
