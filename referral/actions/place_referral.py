"""Place a referral: a draft, or one that is submitted and, where its target is clear, offered at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from referral.actions.advise import advise_sender
from referral.actions.carry_out import WITHOUT_CARE
from referral.actions.draft import Draft
from referral.actions.flag_missing import flag_missing
from referral.actions.name_facility import named_facility, require_known, require_patient
from referral.actions.open_offer import check_direction, direction_to, open_offer
from referral.actions.pass_on import brings
from referral.actions.same_person import is_same_person
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule, Forbidden, IllegalMove, MissingElement
from referral.domain.lifecycle import Party, ReferralMove, ReferralState, check_referral_move
from referral.domain.next_step import check_referral_possible, possible_referral_moves
from referral.domain.number import referral_number
from referral.domain.referral import Referral
from referral.fhir.references import Key, references_at, target_of
from referral.fhir.referral import direction_of, network_reference, priority_of, stamp_referral
from referral.fhir.states import is_submitted, status_of

_CANCEL = "cancel it first, then send the new one"
_CONTINUE = "a new one continues it (`basedOn`), and does not replace it"
_FIRST: Final = {
    ReferralState.DRAFT: "discard it first, then send the new one",
    ReferralState.UNPLACED: _CANCEL,
    ReferralState.OFFERED: _CANCEL,
    ReferralState.IN_CARE: _CONTINUE,
    ReferralState.COMPLETED: _CONTINUE,
    ReferralState.CLOSED: _CONTINUE,
}
"""What to do before a referral in one of these states, or instead of replacing it."""


def plan_new_referral(workspace: Workspace, draft: Draft, *, offered: bool) -> Key:
    """Plan a new referral, as a draft or submitted.

    offered: the same transaction brings its Task, so the hub opens no offer by itself.
    Raises BrokenRule for another status than draft or active, for unknown parties or patient and for a
    network that is not shared; Forbidden when the requester is another facility.
    """
    submitted = is_submitted(status_of(draft.content))
    referral = _read_referral(workspace, draft)
    if submitted:
        submit(workspace, draft, referral, offered=offered)
    else:
        workspace.referrals[referral.id] = referral
        stamp_referral(draft.content, referral)
        workspace.put(*draft.key, draft.content, referral.sender)
        workspace.tell(draft.key, "draft", after=referral.state, party=Party.SENDER, referral=referral)
    return draft.key


def reread_draft(workspace: Workspace, draft: Draft, before: Referral) -> Referral:
    """The referral as an update of its draft makes it."""
    read = _read_referral(workspace, draft)
    # A direction that comes back as the hub wrote it is still the hub's.
    directed = read.directed and (before.directed or read.direction is not before.direction)
    return replace(read, authored_on=before.authored_on, directed=directed)


def submit(workspace: Workspace, draft: Draft, referral: Referral, *, offered: bool) -> None:
    """Give the referral its number and its readers, and open the offer where one target is clear."""
    check_referral_move(referral.state, ReferralMove.SUBMIT, frozenset({Party.SENDER}))
    prefix = workspace.loaded.networks[referral.network].prefix
    number = referral_number(prefix, workspace.take_number())
    based_on = workspace.referral(referral.based_on) if referral.based_on else None
    journey = based_on.journey if based_on is not None else None
    if based_on is not None and journey is None:
        raise BrokenRule("The referral that this one continues is not submitted.", draft.at("basedOn"))
    # Whom its Task in the same transaction names is looked at there.
    targets = [] if offered else _targets(workspace, draft)
    for facility, _ in targets:
        check_direction(workspace, referral, facility, draft.at("extension"))
    target = _single(targets)
    placed = replace(referral, number=number, journey=journey or number, state=ReferralState.UNPLACED)
    workspace.referrals[referral.id] = placed
    for name in stamp_referral(draft.content, placed):
        workspace.note(draft.key, f"ServiceRequest.{name} belongs to the hub and was set by it.")
    workspace.put(*draft.key, draft.content, placed.sender)
    workspace.tell(
        draft.key,
        ReferralMove.SUBMIT,
        before=ReferralState.DRAFT,
        after=placed.state,
        party=Party.SENDER,
        referral=placed,
    )
    for facility in {placed.network} | workspace.journey_senders(placed):
        workspace.grant(facility, *draft.key, AccessScope.REFERRAL, via=placed.id)
    _replace(workspace, draft, placed)
    if target is not None:
        facility, reference = target
        open_offer(workspace, placed, facility, owner=reference)
    flag_missing(workspace, draft.content, workspace.referrals[placed.id])
    advise_sender(workspace, draft.content, workspace.referrals[placed.id])


def _replace(workspace: Workspace, draft: Draft, placed: Referral) -> None:
    """The sender's own referral that this one replaces has lapsed or is cancelled; it owes nothing any more.

    Raises IllegalMove where that one still counts, or was replaced before, BrokenRule for another patient.
    """
    for path, reference in references_at(draft.content, "replaces"):
        key = target_of(reference, workspace.base, workspace.resolve)
        known = key is not None and key[0] == "ServiceRequest" and workspace.known(*key) is not None
        old = workspace.referral(key[1]) if key is not None and known else None
        lapsed = old is not None and old.state is ReferralState.LAPSED
        if old is None or (old.sender != placed.sender and not lapsed):
            workspace.note(
                draft.key, f"ServiceRequest.{path} names no referral of yours: it changes nothing."
            )
            continue
        if (old.sender, old.patient) != (placed.sender, placed.patient):
            raise BrokenRule("A referral is replaced by its sender, for the same patient.", draft.at(path))
        if old.state is not ReferralState.ENTERED_IN_ERROR:
            _end_replaced(workspace, old, draft.at(path))


def _end_replaced(workspace: Workspace, old: Referral, expression: str) -> None:
    key = ("ServiceRequest", old.id)
    if key not in workspace.pending and key not in workspace.loaded.documents:
        # Only what is named by its id was locked, and only of that is it certain how it stands.
        raise BrokenRule("What is replaced is named by its id.", expression)
    sender = frozenset({Party.SENDER})
    if old.state in _FIRST:
        legal = [rule.move for rule in possible_referral_moves(old.state, sender)]
        told = f"The referral that this one replaces is {old.state}: {_FIRST[old.state]}."
        raise IllegalMove(told, legal, expression)
    replaced = workspace.is_replaced(old.id)
    check_referral_possible(old.state, ReferralMove.REPLACE, sender, replaced=replaced)
    # It stays as it is, but nobody owes anything of it any more.
    workspace.look_at(old)
    workspace.tell(
        key, ReferralMove.REPLACE, before=old.state, after=old.state, party=Party.SENDER, referral=old
    )


def _read_referral(workspace: Workspace, draft: Draft) -> Referral:
    content, actor = draft.content, workspace.actor.facility
    if "subject" not in content:
        raise MissingElement("A referral needs its patient.", draft.at("subject"))
    patient = require_patient(workspace, content["subject"], draft.at("subject"))
    if "requester" in content:
        requester = named_facility(workspace, content["requester"], draft.at("requester"))
        own = workspace.loaded.facilities[actor].networks | {actor}
        if requester not in own:
            raise Forbidden("The requester of a referral is your own facility.", draft.at("requester"))
    targets = [facility for facility, _ in _targets(workspace, draft)]
    based_on = _based_on(workspace, draft, patient)
    network = _network(workspace, draft, targets)
    said = direction_of(content, draft.at("extension"))
    return Referral(
        id=draft.id,
        network=network,
        number=None,
        journey=None,
        based_on=based_on,
        state=ReferralState.DRAFT,
        direction=said or direction_to(workspace, network, actor, targets[0] if targets else None),
        directed=said is not None,
        priority=priority_of(content),
        sender=actor,
        patient=patient,
        authored_on=workspace.now,
        updated_at=workspace.now,
    )


def _targets(workspace: Workspace, draft: Draft) -> list[tuple[str, Mapping[str, Any]]]:
    """The performers that are facilities, each with the reference that names it."""
    found = []
    for path, reference in references_at(draft.content, "performer"):
        facility = named_facility(workspace, reference, draft.at(path))
        if facility is not None:
            found.append((facility, reference))
    return found


def _single(targets: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, Mapping[str, Any]] | None:
    """The one performer that is a facility; several are a shortlist, of which none is asked by itself."""
    return targets[0] if len({facility for facility, _ in targets}) == 1 else None


def _based_on(workspace: Workspace, draft: Draft, patient: str) -> str | None:
    """The referral that this one continues: the one of `basedOn` that brought the patient, else the first.

    patient: whom the new one is about. Raises BrokenRule, which tells nobody why.
    """
    found: list[str] = []
    for path, reference in references_at(draft.content, "basedOn"):
        key = target_of(reference, workspace.base, workspace.resolve)
        if key is None or key[0] != "ServiceRequest":
            continue
        (_, request), _ = require_known(workspace, reference, draft.at(path))
        continued = workspace.referral(request)
        if continued is None or request == draft.id:
            continue
        receivers = {offer.owner for offer in workspace.offers_of(request) if offer.state not in WITHOUT_CARE}
        is_party = workspace.actor.facility in {continued.sender} | receivers
        if not is_party or not is_same_person(workspace, patient, continued.patient):
            who = "by its sender, or by a receiver whose offer did not end without care"
            raise BrokenRule(f"A referral is continued {who}, for the same patient.", draft.at(path))
        found.append(request)
    # Where the patient came by one of them, it is that one which the new one rests on.
    return next((one for one in found if brings(workspace, one, patient)), next(iter(found), None))


def _network(workspace: Workspace, draft: Draft, targets: list[str]) -> str:
    """The network of the referral: what the sender names, else the only one it shares with its targets."""
    actor = workspace.loaded.facilities[workspace.actor.facility]
    shared = set(actor.memberships)
    if not shared:
        raise Forbidden("Your facility is a member of no network; it cannot send patients.")
    for target in targets:
        facility = workspace.facility(target)
        shared &= set(facility.memberships) if facility else set()
    named = network_reference(draft.content)
    if named is not None:
        key = target_of(named, workspace.base, workspace.resolve)
        if key is None or key[1] not in actor.memberships:
            raise BrokenRule("The network of a referral is one of your own.", draft.at("extension"))
        shared &= {key[1]}
    if not shared:
        raise BrokenRule("You and the target share no network.", draft.at("performer"))
    if len(shared) > 1:
        raise MissingElement(
            "You share several networks; name one in the extension `network`.", draft.at("extension")
        )
    return shared.pop()
