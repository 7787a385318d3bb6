"""Delete. https://hl7.org/fhir/R4/http.html#delete"""

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.api.actor import current_actor
from referral.api.body import check_id, read_version
from referral.api.replay import write_once
from referral.api.respond import answer_for_delete
from referral.api.route import Route
from referral.api.services import services_of
from referral.api.update import condition_of
from referral.fhir.resources import check_written


async def delete(request: Request) -> Response:
    """Put a tombstone in the place of a resource: it answers 410 from now on, its versions stay.

    204 also for what is deleted already, and for what is unknown or hidden: it is not there.
    """
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_written(resource_type)
    check_id(resource_id)
    expected = read_version(request.headers.get("if-match"))
    draft = Draft(resource_type, resource_id, {}, is_create=False, expected=expected, is_delete=True)
    return await write_once(request, actor, b"", [draft], answer_for_delete(request))


async def delete_by_search(request: Request) -> Response:
    """Delete the one resource that meets a search: none is as good as done, several are 412."""
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_written(resource_type)
    condition = condition_of(request, resource_type)
    expected = read_version(request.headers.get("if-match"))
    new_id = services_of(request).new_id()
    draft = Draft(resource_type, new_id, {}, False, expected, condition=condition, is_delete=True)
    return await write_once(request, actor, b"", [draft], answer_for_delete(request))


routes = [
    Route("/fhir/{resource_type}/{resource_id}", delete, methods=["DELETE"]),
    Route("/fhir/{resource_type}", delete_by_search, methods=["DELETE"]),
]
