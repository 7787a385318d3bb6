"""`$moves`: what may the caller do now with a referral or an offer, and who owes the next step?

https://hl7.org/fhir/R4/operations.html; what is answered stands in `fhir/moves.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.advise import read_advice
from referral.actions.flag_missing import read_missing
from referral.api.actor import current_actor
from referral.api.body import check_id, read_asked
from referral.api.errors import MEDIA_TYPE
from referral.api.route import Route
from referral.api.services import Services, services_of
from referral.domain.advice import Advice
from referral.domain.calendar import rules_day
from referral.domain.errors import Gone, InvalidElement, NotFound
from referral.domain.facility import FacilityId, NetworkId
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
            needs_of(rule, found.direction, goes_on=found.goes_on),
        )
        for rule in possible_offer_moves(found.offer, parties)
    ]
    said = await _said(services_of(request), found, actor, advises=Party.RECEIVER in parties)
    current = found.offer.state in OPEN_OFFER | {OfferState.COMPLETED}
    owes = who_owes(found.state, found.offer) if current else None
    return _answer(moves, owes, said, due=found.due if current else None)


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
    sends = _SENDING & {move.code for move in moves} if actor == found.sender else set()
    said = await _said(services_of(request), found, actor, advises=bool(sends), sends=sends)
    if not found.follows:
        return _answer(moves, None)
    return _answer(moves, who_owes(found.state, found.offer, replaced=found.replaced), said, due=found.due)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the policy of the referral's day says of it; nothing where the process knows none.

    missing: by the move what the package lacks for it. form: of the transfer, with its source.
    """

    missing: Mapping[str, Sequence[Item]] = field(default_factory=dict)
    form: tuple[str, str | None] | None = None
    advice: Sequence[Advice] = ()


async def _said(
    services: Services,
    found: ReferralStanding,
    actor: str,
    *,
    advises: bool,
    sends: Collection[str] = (),
) -> _Said:
    """What the policy says to the actor. advises: also of the disease. sends: moves that send a package."""
    snapshot, network = services.snapshots.current, NetworkId(found.network)
    day = rules_day(found.authored_on)
    policy = snapshot.known_policy(network, day)
    if policy is None:
        return _Said()
    missing: Mapping[str, Sequence[Item]] = {}
    advice: Sequence[Advice] = ()
    if sends:
        missing = dict.fromkeys(sends, await read_missing(services.store, found, policy, day))
    if advises:
        advice = await read_advice(services.store, found, policy, day, reader=actor, base=services.fhir_base)
    sender = snapshot.facility(FacilityId(found.sender))
    target = snapshot.facility(FacilityId(found.owner or ""))
    form = None if sender is None or target is None else policy.forms.form(sender, target)
    return _Said(missing, None if form is None else (form, policy.forms.basis.source), advice)


async def _standing(request: Request, resource_type: str) -> tuple[str, ReferralStanding | None]:
    """The caller's facility, and how the resource stands. Raises NotFound, Gone as reading it does."""
    services = services_of(request)
    actor = await current_actor(request)
    check_scope(actor.scope, resource_type, Interaction.READ)
    if read_asked(request):
        raise InvalidElement("$moves takes no parameters.")
    resource_id = request.path_params["resource_id"]
    check_id(resource_id)
    found = await read_standing(services.store, actor.facility, resource_type, resource_id)
    if found is None:
        raise NotFound(f"There is no such {resource_type}, or you may not see it.")
    if found.deleted:
        raise Gone(f"This {resource_type} is deleted.")
    return actor.facility, found.standing


def _answer(
    moves: list[PossibleMove], owes: Party | None, said: _Said | None = None, *, due: datetime | None = None
) -> Response:
    said = said or _Said()
    content = write_moves(moves, owes, due=due, missing=said.missing, form=said.form, advice=said.advice)
    return Response(write_content(content), media_type=MEDIA_TYPE)


routes = [
    Route(path, answer, methods=[method])
    for path, answer in ((OFFER_PATH, moves_of_offer), (REFERRAL_PATH, moves_of_referral))
    for method in ("GET", "POST")
]
