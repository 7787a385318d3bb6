"""`$moves`: what may the caller do now with a referral or an offer, and who owes the next step?

https://hl7.org/fhir/R4/operations.html; what is answered stands in `fhir/moves.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.flag_missing import read_missing
from referral.api.actor import current_actor
from referral.api.body import check_id
from referral.api.errors import MEDIA_TYPE
from referral.api.route import Route
from referral.api.services import Services, services_of
from referral.domain.errors import Gone, NotFound
from referral.domain.facility import NetworkId
from referral.domain.lifecycle import OPEN_OFFER, OfferState, Party
from referral.domain.next_step import (
    nearest,
    needs_of,
    possible_offer_moves,
    possible_referral_moves,
    who_owes,
)
from referral.domain.permissions import parties_of
from referral.domain.policy_rules import Item
from referral.domain.scope import Interaction, check_scope
from referral.fhir.content import write_content
from referral.fhir.moves import PossibleMove, write_moves
from referral.store.standing import ReferralStanding, read_standing

OFFER_PATH: Final = "/fhir/Task/{resource_id}/$moves"
_SENDING: Final = frozenset({"submit", "offer"})
REFERRAL_PATH: Final = "/fhir/ServiceRequest/{resource_id}/$moves"


async def moves_of_offer(request: Request) -> Response:
    """Answer for the Task of an offer. Another Task has no moves."""
    actor, found = await _standing(request, "Task")
    if found is None or found.offer is None:
        return _answer([], None)
    parties = parties_of(actor, sender=found.sender, receiver=found.owner, office=found.network)
    moves = [
        PossibleMove(
            rule.move.value,
            nearest(rule.by & parties),
            (rule.target or found.offer.state).value,
            needs_of(rule, found.direction),
        )
        for rule in possible_offer_moves(found.offer, parties)
    ]
    current = found.offer.state in OPEN_OFFER | {OfferState.COMPLETED}
    if not current:
        return _answer(moves, None)
    return _answer(moves, who_owes(found.state, found.offer), due=found.due)


async def moves_of_referral(request: Request) -> Response:
    """Answer for the ServiceRequest of a referral. Another ServiceRequest has no moves."""
    actor, found = await _standing(request, "ServiceRequest")
    if found is None:
        return _answer([], None)
    parties = parties_of(actor, sender=found.sender, office=found.network, member=found.member)
    moves = [
        PossibleMove(
            rule.move.value,
            nearest(rule.by & parties),
            ((found.performers == 1 and rule.with_offer) or rule.target or found.state).value,
            needs_of(rule),
        )
        for rule in possible_referral_moves(found.state, parties, replaced=found.replaced)
    ]
    missing = {}
    sends = _SENDING & {move.code for move in moves}
    if sends and actor == found.sender:
        missing = dict.fromkeys(sends, await _missing(services_of(request), found))
    owes = who_owes(found.state, found.offer, replaced=found.replaced)
    return _answer(moves, owes, missing, due=found.due)


async def _missing(services: Services, found: ReferralStanding) -> tuple[Item, ...]:
    """What the package lacks of what the network asks for, by the policy of the referral's day."""
    snapshot, network = services.snapshots.current, NetworkId(found.network)
    if network not in snapshot.policies:
        return ()
    day = found.authored_on.astimezone(UTC).date()
    return await read_missing(services.store, found, snapshot.policy(network, day), day)


async def _standing(request: Request, resource_type: str) -> tuple[str, ReferralStanding | None]:
    """The caller's facility, and how the resource stands. Raises NotFound, Gone as reading it does."""
    services = services_of(request)
    actor = await current_actor(request)
    check_scope(actor.scope, resource_type, Interaction.READ)
    resource_id = request.path_params["resource_id"]
    check_id(resource_id)
    found = await read_standing(services.store, actor.facility, resource_type, resource_id)
    if found is None:
        raise NotFound(f"There is no such {resource_type}, or you may not see it.")
    if found.deleted:
        raise Gone(f"This {resource_type} is deleted.")
    return actor.facility, found.standing


def _answer(
    moves: list[PossibleMove],
    owes: Party | None,
    missing: Mapping[str, Sequence[str]] | None = None,
    *,
    due: datetime | None = None,
) -> Response:
    content = write_moves(moves, owes, due=due, missing=missing)
    return Response(write_content(content), media_type=MEDIA_TYPE)


routes = [
    Route(path, answer, methods=[method])
    for path, answer in ((OFFER_PATH, moves_of_offer), (REFERRAL_PATH, moves_of_referral))
    for method in ("GET", "POST")
]
