"""Update. https://hl7.org/fhir/R4/http.html#update"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.api.actor import current_actor
from referral.api.binary import brings_bytes, write_bytes
from referral.api.body import check_id, read_asked, read_body, read_checked, read_expected
from referral.api.replay import write_once
from referral.api.respond import answer_for_one
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import InvalidElement
from referral.domain.search import SearchQuery
from referral.fhir.condition import read_condition
from referral.fhir.resources import check_written


async def update(request: Request) -> Response:
    """Store the next version of a resource, or a new one under the client's id.

    Referrals and offers need `If-Match`, and their ids are the hub's.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_written(resource_type)
    check_id(resource_id)
    expected = read_expected(request.headers.get("if-match"), request.headers.get("if-none-match"))
    if brings_bytes(request, resource_type):
        return await write_bytes(request, actor, resource_id, is_create=False, expected=expected)
    body = await read_body(request)
    content = await read_checked(body, resource_type)
    if content.get("id") != resource_id:
        raise InvalidElement("The id of the body must be that of the address.", f"{resource_type}.id")
    draft = Draft(resource_type, resource_id, content, is_create=False, expected=expected)
    return await write_once(request, actor, body, [draft], answer_for_one(request, services.fhir_base))


async def update_by_search(request: Request) -> Response:
    """Store the next version of the one resource that meets a search; where none does, a new one.

    An id in the body is that of what is meant, or of what is new. Several that meet it are 412.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_written(resource_type)
    condition = condition_of(request, resource_type)
    expected = read_expected(request.headers.get("if-match"), request.headers.get("if-none-match"))
    body = await read_body(request)
    content = await read_checked(body, resource_type)
    draft = Draft(
        resource_type,
        content.get("id") or services.new_id(),
        content,
        is_create=False,
        expected=expected,
        condition=condition,
    )
    return await write_once(request, actor, body, [draft], answer_for_one(request, services.fhir_base))


def condition_of(request: Request, resource_type: str) -> SearchQuery:
    """The search in the address that says what is meant. Raises InvalidElement where there is none."""
    return read_condition(resource_type, urlencode(read_asked(request)), base=services_of(request).fhir_base)


routes = [
    Route("/fhir/{resource_type}/{resource_id}", update, methods=["PUT"]),
    Route("/fhir/{resource_type}", update_by_search, methods=["PUT"]),
]
