"""Update. https://hl7.org/fhir/R4/http.html#update"""

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.api.actor import current_actor
from referral.api.body import check_id, check_type, read_body, read_resource, read_version
from referral.api.replay import write_once
from referral.api.respond import answer_for_one
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import InvalidElement
from referral.fhir.validation import check_resource


async def update(request: Request) -> Response:
    """Store the next version of a resource, or a new one under the client's id.

    Referrals and offers need `If-Match`, and their ids are the hub's.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_type(resource_type)
    check_id(resource_id)
    expected = read_version(request.headers.get("if-match"))
    body = await read_body(request)
    content = read_resource(body, resource_type)
    if content.get("id") != resource_id:
        raise InvalidElement("The id of the body must be that of the address.", f"{resource_type}.id")
    check_resource(resource_type, content)
    draft = Draft(resource_type, resource_id, content, is_create=False, expected=expected)
    return await write_once(request, actor, body, [draft], answer_for_one(request, services.fhir_base))


routes = [Route("/fhir/{resource_type}/{resource_id}", update, methods=["PUT"])]
