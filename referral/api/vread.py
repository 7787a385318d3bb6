"""Vread: one version of a resource. https://hl7.org/fhir/R4/http.html#vread"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.api.actor import current_actor
from referral.api.binary import answer_with_bytes
from referral.api.read import answer_with
from referral.api.route import Route
from referral.api.services import services_of
from referral.api.told_moves import read_move
from referral.domain.errors import Gone, NotFound
from referral.domain.scope import Interaction, check_scope
from referral.fhir.attachment import BINARY
from referral.fhir.primitives import ID
from referral.fhir.resources import check_versioned
from referral.store.history import read_version

_MOST_DIGITS: Final = 9


async def vread(request: Request) -> Response:
    """A version as it was, also of what is deleted now; 410 for the version that deleted it.

    Who sees the resource now sees its versions. One that never was is the same 404 as a resource that is
    unknown or hidden.
    """
    services = services_of(request)
    actor = await current_actor(request)
    named = request.path_params
    resource_type, resource_id, version = named["resource_type"], named["resource_id"], named["version"]
    check_versioned(resource_type)
    check_scope(actor.scope, resource_type, Interaction.READ)
    found = None
    if ID.fullmatch(resource_id) and version.isascii() and version.isdigit() and len(version) <= _MOST_DIGITS:
        found = await read_version(services.store, actor.facility, resource_type, resource_id, int(version))
        if found is None and version == "1":
            found = await read_move(services, actor.facility, resource_type, resource_id)
    if found is None:
        raise NotFound(f"There is no such version of a {resource_type}, or you may not see it.")
    request.state.version = found.version
    if found.deleted:
        raise Gone(f"With this version the {resource_type} was deleted.")
    answer = answer_with(request, found)
    if resource_type == BINARY:
        return await answer_with_bytes(request, actor.facility, found, resource_id, answer)
    return answer


routes = [Route("/fhir/{resource_type}/{resource_id}/_history/{version}", vread)]
