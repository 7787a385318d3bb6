"""Read. https://hl7.org/fhir/R4/http.html#read"""

from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

from referral.api.actor import current_actor
from referral.api.binary import answer_with_bytes
from referral.api.errors import MEDIA_TYPE
from referral.api.read_only import read_only
from referral.api.route import Route
from referral.api.services import services_of
from referral.api.told_moves import read_move
from referral.domain.errors import Gone, NotFound, NotSupported
from referral.domain.scope import Interaction, check_scope
from referral.fhir.attachment import BINARY
from referral.fhir.primitives import ID
from referral.fhir.resources import STORED, check_type
from referral.store.document import StoredResource, read_document


async def read(request: Request) -> Response:
    """The newest version; 304 where the client has it, 410 for what is deleted.

    What is unknown and what the actor does not see is the same 404.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_type(resource_type)
    check_scope(actor.scope, resource_type, Interaction.READ)
    if resource_id.startswith("$"):
        raise NotSupported("The service has no such operation, or it is not asked by GET.")
    if resource_type not in STORED:
        text = await read_only(services, actor, resource_type, resource_id)
        if text is None:
            raise NotFound(f"There is no such {resource_type}, or you may not see it.")
        return Response(text, media_type=MEDIA_TYPE)
    found = None
    if ID.fullmatch(resource_id):
        found = await read_document(services.store, actor.facility, resource_type, resource_id)
        if found is None:
            found = await read_move(services, actor.facility, resource_type, resource_id)
    if found is None:
        raise NotFound(f"There is no such {resource_type}, or you may not see it.")
    if found.deleted:
        raise Gone(f"This {resource_type} is deleted.")
    request.state.version = found.version
    answer = answer_with(request, found)
    if resource_type == BINARY:
        return await answer_with_bytes(request, actor.facility, found, resource_id, answer)
    return answer


def answer_with(request: Request, found: StoredResource) -> Response:
    """A version as an answer; 304 where the client has it, by its tag or, without one, by its time."""
    headers = {
        "ETag": f'W/"{found.version}"',
        "Last-Modified": format_datetime(found.updated_at, usegmt=True),
    }
    if _has_it(request, found):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=MEDIA_TYPE)


def _has_it(request: Request, found: StoredResource) -> bool:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 (weak comparison) and 13.1.3"""
    sent = request.headers.getlist("if-none-match")
    if sent:
        tags = [tag.strip() for tag in ",".join(sent).split(",")]
        return "*" in tags or any(tag.removeprefix("W/") == f'"{found.version}"' for tag in tags)
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, OverflowError, TypeError):
        return False  # what is no date is passed over
    # HTTP has whole seconds.
    return moment.tzinfo is not None and found.updated_at.replace(microsecond=0) <= moment


routes = [Route("/fhir/{resource_type}/{resource_id}", read)]
