"""Refer on what another facility gave: what was seen by an offer alone, and on what that rests.

See docs/decisions/0019-who-passes-on-a-patient.md. The database holds the same rule (`may_give`); here it is
told.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.domain.errors import BrokenRule
from referral.domain.lifecycle import OfferState
from referral.domain.referral import Offer, Referral
from referral.fhir.content import reread_content
from referral.fhir.references import references_at, target_of

_TAKEN: Final = frozenset(
    {
        OfferState.ACCEPTED,
        OfferState.SCHEDULED,
        OfferState.IN_TRANSIT,
        OfferState.NO_SHOW,
        OfferState.ARRIVED,
        OfferState.COMPLETED,
        OfferState.CLOSED,
        OfferState.STOPPED,
    }
)
"""How an offer stands whose owner has said yes, or has had the patient in care."""

_PASSED_ON: Final = ("subject", "supportingInfo", "reasonReference", "insurance")
_HOW: Final = (
    "This is another facility's, and you see it by an offer alone. Accept that offer first, and name its "
    "referral in basedOn; or refer that one onward (the Task with businessStatus referred-onward); or send a "
    "Patient and records of your own."
)


def brings(workspace: Workspace, referral: str, patient: str) -> bool:
    """Whether it is by this referral, offered to the actor, that the actor sees a patient of others."""
    named = {offer.id for offer in _own_offers(workspace, referral)}
    return not (named | {referral} if named else named).isdisjoint(_through(workspace, ("Patient", patient)))


def check_passed_on(workspace: Workspace, draft: Draft) -> None:
    """Raises BrokenRule for a submitted referral that passes on what its sender may not.

    That is a patient, or what it names, of another facility, which the sender sees by an offer alone: unless
    it accepted that offer, and the new referral is based on the one that was offered. What a referral named
    before stays.
    """
    referral = workspace.referrals.get(draft.id) if draft.type == "ServiceRequest" else None
    if referral is None or referral.number is None:
        return
    before = _before(workspace, draft)
    allowed = _allowed(workspace, referral)
    for path, reference in _named(draft.content):
        if reference in before:
            continue
        key = target_of(reference, workspace.base, workspace.resolve)
        through = _through(workspace, key) if key is not None else frozenset()
        if through and through.isdisjoint(allowed):
            raise BrokenRule(_HOW, draft.at(path))


def _named(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for element in _PASSED_ON:
        yield from references_at(content, element)


def _before(workspace: Workspace, draft: Draft) -> list[Mapping[str, Any]]:
    """What it named when it was sent already; a draft gave nothing."""
    stored, referral = workspace.loaded.documents.get(draft.key), workspace.loaded.referrals.get(draft.id)
    if stored is None or referral is None or referral.row.number is None:
        return []
    return [reference for _, reference in _named(reread_content(stored.content))]


def _allowed(workspace: Workspace, referral: Referral) -> frozenset[str]:
    """The referral that it is based on, and the offers of it that its sender has accepted."""
    if referral.based_on is None:
        return frozenset()
    taken = {offer.id for offer in _own_offers(workspace, referral.based_on) if offer.state in _TAKEN}
    return frozenset(taken | {referral.based_on}) if taken else frozenset()


def _own_offers(workspace: Workspace, referral: str) -> list[Offer]:
    return [offer for offer in workspace.offers_of(referral) if offer.owner == workspace.actor.facility]


def _through(workspace: Workspace, key: tuple[str, str]) -> frozenset[str]:
    """By which offers and referrals alone the actor sees it; empty for what is its own, or given for good."""
    stored = workspace.loaded.references.get(key)
    return frozenset() if stored is None else stored.through
