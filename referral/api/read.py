"""Read. https://hl7.org/fhir/R4/http.html#read"""

from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response

from referral.api.actor import current_actor
from referral.api.body import check_type
from referral.api.errors import MEDIA_TYPE
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import Gone, NotFound
from referral.domain.scope import Interaction, check_scope
from referral.fhir.primitives import ID
from referral.store.document import read_document


async def read(request: Request) -> Response:
    """The newest version; 304 where the client has it (`If-None-Match`), 410 for what is deleted.

    What is unknown and what the actor does not see is the same 404.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_type(resource_type)
    check_scope(actor.scope, resource_type, Interaction.READ)
    found = None
    if ID.fullmatch(resource_id):
        found = await read_document(services.store, actor.facility, resource_type, resource_id)
    if found is None:
        raise NotFound(f"There is no such {resource_type}, or you may not see it.")
    if found.deleted:
        raise Gone(f"This {resource_type} is deleted.")
    request.state.version = found.version
    headers = {
        "ETag": f'W/"{found.version}"',
        "Last-Modified": format_datetime(found.updated_at, usegmt=True),
    }
    if _has_it(request, found.version):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=MEDIA_TYPE)


def _has_it(request: Request, version: int) -> bool:
    """Weak comparison of the tags of `If-None-Match`: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""
    tags = [tag.strip() for tag in ",".join(request.headers.getlist("if-none-match")).split(",")]
    return "*" in tags or any(tag.removeprefix("W/") == f'"{version}"' for tag in tags)


routes = [Route("/fhir/{resource_type}/{resource_id}", read)]
