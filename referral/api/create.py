"""Create. https://hl7.org/fhir/R4/http.html#create"""

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.api.actor import current_actor
from referral.api.binary import brings_bytes, write_bytes
from referral.api.body import read_asked, read_body, read_checked
from referral.api.replay import write_once
from referral.api.respond import answer_for_one
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import InvalidElement
from referral.domain.search import SearchQuery
from referral.fhir.condition import read_condition
from referral.fhir.resources import check_written


async def create(request: Request) -> Response:
    """Store a new resource under an id of ours; an id in the body is put aside, as FHIR asks.

    With `If-None-Exist` only when none is there that meets it; one that does is the answer.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_written(resource_type)
    _check_address(request)
    condition = _condition(request, resource_type, services.fhir_base)
    if brings_bytes(request, resource_type):
        return await write_bytes(request, actor, services.new_id(), is_create=True, condition=condition)
    body = await read_body(request)
    content = await read_checked(body, resource_type)
    draft = Draft(resource_type, services.new_id(), content, is_create=True, condition=condition)
    return await write_once(request, actor, body, [draft], answer_for_one(request, services.fhir_base))


def _check_address(request: Request) -> None:
    """Raises InvalidElement for criteria in the address.

    Some clients ask for a conditional create like that: passed over, they would make a second one each time.
    """
    for name, _ in read_asked(request):
        raise InvalidElement(
            f"Parameter {name[:64]}: a create has none. What is not to be made twice has its search "
            "in the header If-None-Exist."
        )


def _condition(request: Request, resource_type: str, fhir_base: str) -> SearchQuery | None:
    conditions = request.headers.getlist("if-none-exist")
    if not conditions:
        return None
    try:
        (text,) = conditions
        # Headers arrive byte for byte.
        return read_condition(resource_type, text.encode("latin-1").decode(), base=fhir_base)
    except ValueError:
        raise InvalidElement("If-None-Exist is one search, in UTF-8.") from None


routes = [Route("/fhir/{resource_type}", create, methods=["POST"])]
