"""Put a referral to one target."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from referral.actions.draft import Draft, instant
from referral.actions.name_facility import named_facility, require_known, require_patient
from referral.actions.way_down import check_way_down
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope, Direction
from referral.domain.errors import BrokenRule, Forbidden, IllegalMove, MissingElement
from referral.domain.facility import Tier
from referral.domain.lifecycle import OfferState, Party, ReferralMove, ReferralState, check_referral_move
from referral.domain.permissions import parties_of
from referral.domain.referral import Offer, Referral
from referral.fhir import systems
from referral.fhir.elements import drop_extension
from referral.fhir.offer import new_offer, stamp_offer, write_systems
from referral.fhir.references import Key, references_at, target_of
from referral.fhir.referral import stamp_referral
from referral.fhir.states import REFERRAL_STATUS

_DECLINED = {OfferState.REJECTED, OfferState.REDIRECTED}


def plan_new_offer(workspace: Workspace, draft: Draft) -> Key:
    """Plan a POST of a Task that offers a referral; returns the key of the offer that then stands.

    When that owner has the open offer already, it is that one, with the client's identifier added.
    Raises BrokenRule for an owner that cannot be a target, IllegalMove while another has the open offer.
    """
    content = draft.content
    focus = target_of(content.get("focus"), workspace.base, workspace.resolve)
    known = focus is not None and workspace.known(*focus) is not None
    referral = workspace.referral(focus[1]) if focus is not None and known else None
    if referral is None:
        raise BrokenRule("The focus of an offer is a referral that is known to you.", draft.at("focus"))
    actor = workspace.actor.facility
    parties = parties_of(actor, sender=referral.sender, office=referral.network)
    if not parties:
        raise Forbidden("Only the sender of a referral, or the office of its network, offers it.")
    if "owner" not in content:
        raise MissingElement("An offer needs the facility that it is put to.", draft.at("owner"))
    owner = named_facility(workspace, content["owner"], draft.at("owner"))
    if owner is None:
        raise BrokenRule("The owner of an offer is a facility of the network.", draft.at("owner"))
    standing = next((offer for offer in workspace.offers_of(referral.id) if offer.is_open), None)
    if standing is not None and standing.owner == owner:
        return _add_identifier(workspace, standing, referral, content)
    if content.get("status") != "requested":
        raise BrokenRule("A new offer has the status requested.", draft.at("status"))
    _check_parts(workspace, draft, referral)
    if actor == referral.sender:
        check_direction(workspace, referral, owner, draft.at("owner"))
    offer = open_offer(workspace, referral, owner, content=content, offer_id=draft.id)
    return ("Task", offer.id)


def open_offer(
    workspace: Workspace,
    referral: Referral,
    target: str,
    *,
    owner: Mapping[str, Any] | None = None,
    content: dict[str, Any] | None = None,
    offer_id: str | None = None,
    reasoned: bool = False,
    party: Party | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    departed_at: datetime | None = None,
) -> Offer:
    """Open an offer of `referral` to the facility `target`, giving it what it needs to decide.

    content: the Task of a client; without it the hub makes one, naming the owner as `owner` does.
    reasoned: a reason for asking once more is given elsewhere. party: who does it in the sender's place, a
    receiver who passes it on or the clock. inputs: of the Task that the hub makes. departed_at: since when
    the patient is on the way already.
    Raises BrokenRule, MissingElement or IllegalMove when this target cannot be asked now.
    """
    actor = workspace.actor.facility
    parties = parties_of(actor, sender=referral.sender, office=referral.network)
    if party is not None:
        parties |= {Party.SENDER}
    _check_no_open_offer(workspace, referral)
    check_referral_move(referral.state, ReferralMove.OFFER, parties)
    _check_target(workspace, referral, target)
    task = content or {}
    if not reasoned and not _has_reason(task):
        for offer in workspace.offers_of(referral.id):
            if offer.owner == target and offer.state in _DECLINED:
                raise MissingElement(
                    "This facility declined before; say in reasonCode.text why it is asked once more.",
                    "Task.reasonCode",
                )
    asked = make_offer(workspace, referral, target, OfferState.REQUESTED, offer_id)
    offer = replace(asked, departed_at=departed_at)
    placed = replace(referral, state=ReferralState.OFFERED)
    by = party or (Party.OFFICE if actor == referral.network else Party.SENDER)
    told = check_way_down(workspace, _towards(workspace, referral, target, by), target)
    made = new_offer(offer, owner, inputs)
    enter_offer(workspace, offer, placed, "offer", party=by, made=made, content=content)
    if told is not None:
        for key in (("ServiceRequest", referral.id), ("Task", offer.id)):
            workspace.note(key, told)
    return offer


def can_be_asked(workspace: Workspace, referral: Referral, target: str) -> bool:
    """Whether `open_offer` opens one to this facility, once no other is open: it was not asked before."""
    if why_no_target(workspace, referral, target) is not None:
        return False
    try:
        check_direction(workspace, referral, target, "Task.owner")
        check_way_down(workspace, _towards(workspace, referral, target, Party.SENDER), target)
    except BrokenRule:
        return False
    return True


def _towards(workspace: Workspace, referral: Referral, target: str, party: Party) -> Referral:
    """The referral with the direction that an offer to this target gives it, unless its sender said it.

    A sender speaks of its own targets: who is sent on, or turns up elsewhere, goes where that leads.
    """
    wrong = _contradicts(workspace, referral, target) and not _goes_back(workspace, referral, target)
    if referral.directed and (party is Party.SENDER or not wrong):
        return referral
    way = direction_to(workspace, referral.network, referral.sender, target)
    return replace(referral, direction=way)


def make_offer(
    workspace: Workspace, referral: Referral, target: str, state: OfferState, offer_id: str | None = None
) -> Offer:
    """A new offer of the referral to `target`; nothing is written yet."""
    return Offer(
        id=offer_id or workspace.new_id(),
        referral=referral.id,
        network=referral.network,
        state=state,
        priority=referral.priority,
        requester=referral.sender,
        owner=target,
        patient=referral.patient,
        authored_on=workspace.now,
        updated_at=workspace.now,
    )


def enter_offer(
    workspace: Workspace,
    offer: Offer,
    placed: Referral,
    move: str,
    *,
    party: Party,
    made: dict[str, Any],
    content: dict[str, Any] | None = None,
) -> None:
    """Write a new offer and what its referral becomes by it, tell of both, and show them to the target.

    placed: the referral in its new state; its direction is that of the offer unless its sender said it.
    made: the Task as the hub makes it; content: that of a client.
    """
    before = workspace.referral(placed.id)
    if before is None:
        raise LookupError(f"no referral {placed.id}")
    placed = _towards(workspace, placed, offer.owner, party)
    placed = replace(placed, updated_at=workspace.now)
    workspace.offers[offer.id] = offer
    workspace.referrals[placed.id] = placed
    revived = REFERRAL_STATUS[before.state] != REFERRAL_STATUS[placed.state]
    if revived or placed.direction is not before.direction:
        _write_referral(workspace, placed, revived=revived)
    key = ("Task", offer.id)
    _put_offer(workspace, offer, placed, content, made)
    workspace.tell(key, move, after=offer.state, party=party, referral=placed)
    workspace.tell(
        ("ServiceRequest", placed.id),
        move,
        before=before.state,
        after=placed.state,
        party=party,
        referral=placed,
    )
    _give_access(workspace, offer, placed)


def _write_referral(workspace: Workspace, referral: Referral, *, revived: bool) -> None:
    """Its status and direction. revived: why it had ended is over."""
    key = ("ServiceRequest", referral.id)
    content = workspace.current(*key)
    if content is None:
        raise LookupError(f"no document of referral {referral.id}")
    if revived:
        drop_extension(content, systems.STATUS_REASON_EXTENSION)
    stamp_referral(content, referral)
    workspace.put(*key, content, referral.sender)


def _put_offer(
    workspace: Workspace,
    offer: Offer,
    referral: Referral,
    content: dict[str, Any] | None,
    made: dict[str, Any],
) -> None:
    if content is not None:
        # They tell of moves: what stood there from the start nobody could take back.
        for name in ("output", "executionPeriod"):
            if content.pop(name, None) is not None:
                workspace.note(("Task", offer.id), f"Task.{name} is not kept: it comes with a move.")
        write_systems(content, ())
        for name in ("requester", "for", "focus", "owner"):
            content.setdefault(name, made[name])
        made = content
    made["authoredOn"] = instant(offer.authored_on)
    stamp_offer(made, offer, referral, instant(workspace.now))
    workspace.put("Task", offer.id, made, offer.requester)


def _give_access(workspace: Workspace, offer: Offer, referral: Referral) -> None:
    """The target sees the request and its package; the office and the journey's senders see the request."""
    via = offer.id
    workspace.grant(offer.owner, "ServiceRequest", referral.id, AccessScope.REFERRAL, via)
    for facility in {offer.owner, referral.network} | workspace.journey_senders(referral):
        workspace.grant(facility, "Task", offer.id, AccessScope.REFERRAL, via)
    workspace.give_package(referral, offer)


def _check_no_open_offer(workspace: Workspace, referral: Referral) -> None:
    standing = next((offer for offer in workspace.offers_of(referral.id) if offer.is_open), None)
    if standing is not None:
        raise IllegalMove(
            "Another facility has the open offer of this referral; withdraw that one first.",
            (ReferralMove.CANCEL, "withdraw") if referral.state is ReferralState.OFFERED else (),
            "Task.owner",
        )


def direction_to(workspace: Workspace, network: str, sender: str, target: str | None) -> Direction:
    """The way from one facility to another by their tiers in the network.

    Without a target it is a guess: up, but down from the highest tier.
    """
    known = _way_by_tiers(workspace, network, sender, target) if target is not None else None
    if known is not None:
        return known
    return Direction.DOWN if _tier(workspace, network, sender) is Tier.CENTRAL else Direction.UP


def check_direction(workspace: Workspace, referral: Referral, target: str, expression: str) -> None:
    """Raises BrokenRule where the tiers of both contradict what the sender said: up or down.

    Lateral may be said of any two, and of one tier anything: what is rehabilitation down may be the same
    tier. Back to who sent the patient is down whatever the tiers.
    """
    if _contradicts(workspace, referral, target) and not _goes_back(workspace, referral, target):
        way = _way_by_tiers(workspace, referral.network, referral.sender, target)
        raise BrokenRule(
            f"The extension `direction` says {referral.direction}; to this target it is {way} by the tiers"
            " of the network: leave it out, or say that.",
            expression,
        )


def _contradicts(workspace: Workspace, referral: Referral, target: str) -> bool:
    if not referral.directed or referral.direction is Direction.LATERAL:
        return False
    way = _way_by_tiers(workspace, referral.network, referral.sender, target)
    return way not in {None, Direction.LATERAL, referral.direction}


def _goes_back(workspace: Workspace, referral: Referral, target: str) -> bool:
    stored = workspace.loaded.referrals.get(referral.based_on or "")
    if stored is None or referral.direction is not Direction.DOWN:
        return False
    return target == (stored.goes_on_to if stored.row.direction is Direction.DOWN else stored.row.sender)


def _way_by_tiers(workspace: Workspace, network: str, sender: str, target: str) -> Direction | None:
    """None where one of them has no tier that is known here."""
    own, its = (_tier(workspace, network, one) for one in (sender, target))
    if own is None or its is None:
        return None
    step = its.rank - own.rank
    return Direction.UP if step > 0 else Direction.DOWN if step < 0 else Direction.LATERAL


def _tier(workspace: Workspace, network: str, facility: str) -> Tier | None:
    stored = workspace.facility(facility)
    return Tier(stored.memberships[network]) if stored and network in stored.memberships else None


def why_no_target(workspace: Workspace, referral: Referral, target: str) -> str | None:
    """Why a facility cannot be asked to take a referral at all; None where it can."""
    facility = workspace.facility(target)
    if target == referral.sender:
        return "A facility does not refer to itself."
    if facility is None or referral.network not in facility.memberships:
        return "The target is no member of the referral's network."
    return None if facility.active else "The target is not active."


def _check_target(workspace: Workspace, referral: Referral, target: str) -> None:
    why = why_no_target(workspace, referral, target)
    if why is not None:
        raise BrokenRule(why, "Task.owner")
    # Who lost sight of a patient cannot show the patient to others.
    by_sender = workspace.actor.facility == referral.sender
    if by_sender and workspace.known("Patient", referral.patient) is None:
        raise BrokenRule("The patient of this referral is no longer known to you.", "Task.for")


def _check_parts(workspace: Workspace, draft: Draft, referral: Referral) -> None:
    content = draft.content
    if "for" in content:
        # The office names the patient of a request that it sees, without seeing the patient.
        named = target_of(content["for"], workspace.base, workspace.resolve)
        its_own = named == ("Patient", referral.patient)
        if not its_own and require_patient(workspace, content["for"], draft.at("for")) != referral.patient:
            raise BrokenRule("An offer is for the patient of its referral.", draft.at("for"))
    for path, reference in references_at(content, "basedOn"):
        require_known(workspace, reference, draft.at(path))
    if "requester" in content:
        requester = named_facility(workspace, content["requester"], draft.at("requester"))
        if requester not in {referral.sender, workspace.actor.facility}:
            raise Forbidden("The requester of an offer is the sender of its referral.", draft.at("requester"))
        content.pop("requester")


def _has_reason(content: Mapping[str, Any]) -> bool:
    given = (content.get("reasonCode", {}), content.get("statusReason", {}))
    return any(reason.get("text") or reason.get("coding") for reason in given)


def _add_identifier(workspace: Workspace, offer: Offer, referral: Referral, sent: Mapping[str, Any]) -> Key:
    """The standing offer, found again under the identifier of who asked for it once more."""
    key = ("Task", offer.id)
    content = workspace.current(*key)
    known = content.get("identifier", []) if content else []
    new = [identifier for identifier in sent.get("identifier", ()) if identifier not in known]
    if content is not None and new:
        content["identifier"] = known + new
        stamp_offer(content, offer, referral, instant(workspace.now))
        workspace.put(*key, content, offer.requester)
        workspace.tell(key, "identify", referral=referral)
    return key
