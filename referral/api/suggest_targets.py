"""`$suggest-targets`: where to send a patient, with the reasons in minutes.

https://hl7.org/fhir/R4/operations.html; the parameters stand in `fhir/suggestion.py`.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.suggest_targets import suggest_targets
from referral.api.actor import current_actor
from referral.api.body import check_id, read_asked, read_body, read_resource
from referral.api.errors import MEDIA_TYPE
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.actor import Actor
from referral.domain.scope import Interaction, check_scope
from referral.fhir.content import write_content
from referral.fhir.suggestion import Question, read_query, read_question, write_suggestions

TYPE_PATH: Final = "/fhir/ServiceRequest/$suggest-targets"
INSTANCE_PATH: Final = "/fhir/ServiceRequest/{resource_id}/$suggest-targets"


async def suggest_for_draft(request: Request) -> Response:
    """Answer for the ServiceRequest in the Parameters; the caller's facility is the sender."""
    actor = await _reader(request)
    content = read_resource(await read_body(request), "Parameters")
    return await _answer(request, actor, read_question(content, stored=False))


async def suggest_for_stored(request: Request) -> Response:
    """Answer for a stored request, by Parameters; none at all is the plain question."""
    actor = await _reader(request)
    if _is_empty(request):
        return await _answer(request, actor, Question())
    content = read_resource(await read_body(request), "Parameters")
    return await _answer(request, actor, read_question(content, stored=True))


async def suggest_by_query(request: Request) -> Response:
    """Answer for a stored request, by query string: the operation changes nothing."""
    actor = await _reader(request)
    return await _answer(request, actor, read_query(read_asked(request)))


async def _reader(request: Request) -> Actor:
    """The actor, who needs the scope to read referrals."""
    actor = await current_actor(request)
    check_scope(actor.scope, "ServiceRequest", Interaction.READ)
    return actor


async def _answer(request: Request, actor: Actor, question: Question) -> Response:
    services = services_of(request)
    snapshot = services.snapshots.current
    about = question.request
    if about is None:
        about = request.path_params["resource_id"]
        check_id(about)
    found = await suggest_targets(
        services.store,
        snapshot,
        actor=actor.facility,
        about=about,
        base=services.fhir_base,
        on=services.now(),
        count=question.count,
        with_excluded=question.with_excluded,
    )
    targets = [entry.target for entry in found.ranked] + [entry.target for entry in found.excluded]
    names = {
        target: facility.name for target in targets if (facility := snapshot.facility(target)) is not None
    }
    return Response(write_content(write_suggestions(found, names)), media_type=MEDIA_TYPE)


def _is_empty(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


routes = [
    Route(TYPE_PATH, suggest_for_draft, methods=["POST"]),
    Route(INSTANCE_PATH, suggest_for_stored, methods=["POST"]),
    Route(INSTANCE_PATH, suggest_by_query),
]
