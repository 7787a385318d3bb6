"""Tell sender and receiver what the lists of their network say of a referral. It stops nobody."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from referral.actions.referral_codes import codes_in_hand
from referral.actions.workspace import Workspace
from referral.domain.advice import (
    Advice,
    advice_at_end,
    advice_to_receiver,
    advice_to_sender,
    has_advice,
)
from referral.domain.codes import Disposition
from referral.domain.lifecycle import OfferState
from referral.domain.policy import Policy
from referral.domain.referral import Referral
from referral.fhir.content import read_content
from referral.fhir.references import Key
from referral.fhir.referral import codes_said, conditions_named
from referral.store.package import read_brought
from referral.store.pool import Store
from referral.store.standing import ReferralStanding


def advise_sender(workspace: Workspace, content: Mapping[str, Any], referral: Referral) -> None:
    """Note it for the answer to the write that submits a referral. content: as it is written."""
    rules = workspace.rules(referral)
    if has_advice(rules.policy):
        codes = codes_in_hand(workspace, content)
        told = advice_to_sender(rules.policy, referral.direction, codes, rules.on)
        _note(workspace, ("ServiceRequest", referral.id), told)


def advise_at_end(
    workspace: Workspace, referral: Referral, offer: str, disposition: Disposition | None
) -> None:
    """Note it for the answer to the write that completes an offer. offer: id of its Task."""
    rules = workspace.rules(referral)
    content = workspace.current("ServiceRequest", referral.id)
    if has_advice(rules.policy) and content is not None:
        codes = codes_in_hand(workspace, content)
        told = advice_at_end(rules.policy, referral.direction, codes, rules.on, disposition)
        _note(workspace, ("Task", offer), told)


def _note(workspace: Workspace, key: Key, told: Iterable[Advice]) -> None:
    for one in told:
        workspace.note(key, str(one))


async def read_advice(
    store: Store, standing: ReferralStanding, policy: Policy, on: date, *, reader: str, base: str
) -> tuple[Advice, ...]:
    """What there is to say to the sender, or to the receiver of the offer, as the reader sees the referral.

    on: the day whose rules hold. base: address of the FHIR endpoint.
    """
    brought = await read_brought(store, reader, standing.id) if has_advice(policy) else None
    if brought is None:
        return ()
    content = read_content(brought.content.encode())
    codes = set(codes_said(content))
    for name in conditions_named(content, base, lambda _system, _value: None):
        codes |= brought.conditions.get(name, frozenset())
    if reader == standing.sender:
        return advice_to_sender(policy, standing.direction, codes, on)
    in_care = standing.offer is not None and standing.offer.state is OfferState.ARRIVED
    return advice_to_receiver(policy, standing.direction, codes, on, in_care=in_care)
