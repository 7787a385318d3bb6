"""Create. https://hl7.org/fhir/R4/http.html#create"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from referral.actions.workspace import Draft
from referral.actions.write_resources import write_resources
from referral.api.actor import current_actor
from referral.api.body import check_type, read_resource
from referral.api.respond import written_response
from referral.api.services import services_of
from referral.domain.errors import InvalidElement
from referral.fhir.validation import check_resource


async def create(request: Request) -> Response:
    """Store a new resource under an id of ours; an id in the body is put aside, as FHIR asks."""
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_type(resource_type)
    if "if-none-exist" in request.headers:
        raise InvalidElement("Conditional create is not supported here: search first, or PUT an id of yours.")
    content = await read_resource(request, resource_type)
    check_resource(resource_type, content)
    written = await write_resources(
        services.store,
        [Draft(resource_type, services.new_id(), content, is_create=True)],
        actor=actor,
        base=services.fhir_base,
        now=services.now(),
        new_id=services.new_id,
        request_id=request.state.request_id,
    )
    return written_response(request, written[0], services.fhir_base)


routes = [Route("/fhir/{resource_type}", create, methods=["POST"])]
