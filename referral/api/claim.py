"""`$claim`: the patient of a referral turned up here. https://hl7.org/fhir/R4/operations.html

The parameters stand in `fhir/claim.py`; the answer is the Task of the offer, arrived.
"""

from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.claim_referral import Claimed, claim_referral
from referral.actions.draft import Written
from referral.api.actor import current_actor
from referral.api.body import read_asked, read_body, read_resource
from referral.api.errors import MEDIA_TYPE
from referral.api.replay import answer_once
from referral.api.respond import location
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import InvalidElement
from referral.domain.scope import Interaction, check_scope
from referral.fhir.claim import read_claim
from referral.store.replay import Answer, Once

PATH: Final = "/fhir/ServiceRequest/$claim"


async def claim(request: Request) -> Response:
    """Open an offer to the caller's own facility that has arrived already, by number and birth date.

    It is the same 404 whatever of both is wrong, and whether there is such a referral at all.
    """
    services = services_of(request)
    actor = await current_actor(request)
    check_scope(actor.scope, "Task", Interaction.CREATE)
    if read_asked(request):
        raise InvalidElement("$claim takes its parameters in the body.")
    body = await read_body(request)
    number, birth_date = read_claim(read_resource(body, "Parameters"))

    def render(written: Written) -> Answer:
        request.state.unchanged = [written] if written.unchanged else []
        headers = {
            "ETag": f'W/"{written.version}"',
            "Location": location(services.fhir_base, written),
            "Content-Type": MEDIA_TYPE,
        }
        return Answer(200, headers, written.content)

    async def do(now: datetime, once: Once | None) -> Answer:
        return await claim_referral(
            services.store,
            Claimed(number, birth_date, actor, now),
            base=services.fhir_base,
            new_id=services.new_id,
            request_id=request.state.request_id,
            address=request.client.host if request.client else None,
            render=render,
            once=once,
            rules=services.rules,
        )

    return await answer_once(request, actor, body, do)


routes = [Route(PATH, claim, methods=["POST"])]
