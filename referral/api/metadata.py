"""Capabilities. https://hl7.org/fhir/R4/http.html#capabilities"""

from starlette.requests import Request
from starlette.responses import Response

from referral import __version__
from referral.api import token
from referral.api.errors import MEDIA_TYPE
from referral.api.route import Route
from referral.api.services import services_of
from referral.fhir.capability import capability_statement
from referral.fhir.content import write_content


async def metadata(request: Request) -> Response:
    """The CapabilityStatement, for everyone; made at the first request and kept with the application."""
    state = request.app.state
    if not hasattr(state, "capability_statement"):
        services = services_of(request)
        statement = capability_statement(
            fhir_base=services.fhir_base,
            token_endpoint=services.base_url + token.PATH,
            version=__version__,
            date=services.now(),
        )
        state.capability_statement = write_content(statement)
    return Response(state.capability_statement, media_type=MEDIA_TYPE)


routes = [Route("/fhir/metadata", metadata)]
