"""Patch: JSON Patch on a resource. https://hl7.org/fhir/R4/http.html#patch"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.api.actor import current_actor
from referral.api.body import check_id, media_type_of, read_at_most, read_version
from referral.api.replay import write_once
from referral.api.respond import answer_for_one
from referral.api.route import Route
from referral.api.services import LARGEST_BODY, services_of
from referral.api.update import condition_of
from referral.domain.errors import WrongMediaType
from referral.domain.search import SearchQuery
from referral.fhir.content import read_array
from referral.fhir.json_patch import MEDIA_TYPE, read_patch
from referral.fhir.resources import check_written

_MEDIA_TYPES: Final = frozenset({MEDIA_TYPE, "application/json"})


async def patch(request: Request) -> Response:
    """Change a resource as it stands; the result is taken as an update with it would be.

    Referrals and offers need `If-Match`.
    """
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_written(resource_type)
    check_id(resource_id)
    body, draft = await _read(request, (resource_type, resource_id), None)
    answer = answer_for_one(request, services_of(request).fhir_base)
    return await write_once(request, actor, body, [draft], answer)


async def patch_by_search(request: Request) -> Response:
    """Change the one resource that meets a search; 404 where none does, 412 where several do."""
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_written(resource_type)
    condition = condition_of(request, resource_type)
    body, draft = await _read(request, (resource_type, services.new_id()), condition)
    return await write_once(request, actor, body, [draft], answer_for_one(request, services.fhir_base))


async def _read(request: Request, key: tuple[str, str], condition: SearchQuery | None) -> tuple[bytes, Draft]:
    """The body, and what it asks for."""
    expected = read_version(request.headers.get("if-match"))
    if media_type_of(request) not in _MEDIA_TYPES:
        raise WrongMediaType(f"Send {MEDIA_TYPE}.")
    body = await read_at_most(request, LARGEST_BODY)
    operations = read_patch(read_array(body))
    return body, Draft(*key, {}, is_create=False, expected=expected, condition=condition, patch=operations)


routes = [
    Route("/fhir/{resource_type}/{resource_id}", patch, methods=["PATCH"]),
    Route("/fhir/{resource_type}", patch_by_search, methods=["PATCH"]),
]
