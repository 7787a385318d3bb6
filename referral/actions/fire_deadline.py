"""What a deadline does to one referral: one transaction each, by the clock, in the name of the office.

Each takes its referral first and looks again: who comes second, or after a move, finds nothing to do.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from referral.actions.carry_out import carry_out
from referral.actions.lapse_referral import plan_lapse
from referral.actions.name_facility import named_facility
from referral.actions.new_id import new_id
from referral.actions.open_offer import can_be_asked, open_offer
from referral.actions.referral_rules import rules_in
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.deadlines import ClockMove, Deadline, Slot, Stage, for_the_office, past_the_slip
from referral.domain.errors import BrokenRule
from referral.domain.facility import FacilityId
from referral.domain.lifecycle import OfferMove, OfferState, Party, ReferralState
from referral.domain.referral import Offer, Referral
from referral.domain.scope import read_scopes
from referral.fhir import systems
from referral.fhir.elements import concept
from referral.fhir.references import identifier_of, target_of
from referral.fhir.resources import SUPPORTED
from referral.network.snapshot import SnapshotHolder
from referral.store.change_set import Loaded, WriteRequest, apply_changes, load_for_write
from referral.store.deadline import DueDeadline, take_referral
from referral.store.pool import Connection, Store

CLIENT: Final = "clock"
"""In place of a client where the clock has moved something."""

_NO_ANSWER: Final = "There was no answer in time."
_SCOPE: Final = read_scopes("system/*.cruds")


@dataclass(frozen=True, slots=True)
class Hub:
    """What the clock works with. base: address of the FHIR endpoint."""

    store: Store
    snapshots: SnapshotHolder
    base: str


async def let_lapse(hub: Hub, due: DueDeadline, now: datetime) -> bool:
    """End a referral whose slip is over, and its open offer; False where there is nothing to end (now).

    It ends nothing for who is on the way: the office is told of him.
    """

    async def plan(workspace: Workspace, _connection: Connection) -> bool:
        slip, referral = _standing(workspace, due), workspace.referral(due.referral)
        if slip is None or slip.escalate_at is None or referral is None:
            return False
        offer = next((one for one in workspace.offers_of(referral.id) if one.is_open), None)
        if offer is not None and offer.is_on_the_way:
            _tell_of_the_way(workspace, slip, referral)
        elif referral.state not in {ReferralState.UNPLACED, ReferralState.OFFERED}:
            # Moved by a service that knows no clocks: the slip is brought up to that.
            workspace.look_at(referral)
        else:
            plan_lapse(workspace, referral.id, slip.escalate_at)
        return True

    return await _change(hub, due, now, plan)


async def warn_of_close(hub: Hub, due: DueDeadline, now: datetime) -> bool:
    """Warn that nobody has closed a referral in time: the loop of its journey is lost."""

    async def plan(workspace: Workspace, _connection: Connection) -> bool:
        step = _standing(workspace, due)
        referral = workspace.referral(due.referral)
        if step is None or referral is None:
            return False
        if referral.state is not ReferralState.COMPLETED:
            workspace.look_at(referral)
            return True
        workspace.overdue = frozenset({due.referral})
        workspace.changes.deadlines.append(step.fired())
        _tell(workspace, ClockMove.WARN, step, referral)
        return True

    return await _change(hub, due, now, plan)


async def redirect(hub: Hub, due: DueDeadline, now: datetime) -> bool:
    """Put an offer that nobody answered to the next facility of its sender's shortlist.

    False where the list has no other that can be asked: the clock then escalates as it does without one.
    """

    async def plan(workspace: Workspace, connection: Connection) -> bool:
        step = _standing(workspace, due)
        offer = workspace.offer(due.offer or "")
        if step is None or offer is None or offer.state not in {OfferState.REQUESTED, OfferState.RECEIVED}:
            return False
        if offer.is_on_the_way:
            # The ambulance is not told to turn round.
            return False
        # Whom the list names is known only now that it was read; all is locked already.
        content = workspace.current("ServiceRequest", due.referral) or {}
        listed = content.get("performer", [])
        named = await load_for_write(connection, _asking_for(due, listed, workspace.base))
        workspace.loaded = _with_facts(workspace.loaded, named)
        return _put_to_the_next(workspace, step, offer, listed)

    return await _change(hub, due, now, plan)


async def arm(hub: Hub, referral_id: str, network: str, now: datetime) -> bool:
    """Give a referral that has none the deadlines of how it stands, counted from now."""

    async def plan(workspace: Workspace, _connection: Connection) -> bool:
        referral = workspace.referral(referral_id)
        stored = workspace.loaded.referrals[referral_id].deadlines.get(Slot.STEP)
        if referral is None or (stored is not None and stored.is_open):
            return False
        workspace.look_at(referral)
        return True

    return await _in_hand(hub, network, referral_id, now, plan)


Plan = Callable[[Workspace, Connection], Awaitable[bool]]


async def _change(hub: Hub, due: DueDeadline, now: datetime, plan: Plan) -> bool:
    return await _in_hand(hub, due.network, due.referral, now, plan)


async def _in_hand(hub: Hub, network: str, referral: str, now: datetime, plan: Plan) -> bool:
    """One transaction for one referral that nobody else has in hand; True where something was done."""
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    async with hub.store.writing(network) as connection:
        if not await take_referral(connection, referral):
            return False
        loaded = await load_for_write(connection, WriteRequest(network, focus=[referral]))
        at = loaded.not_before(now)
        actor = Actor(FacilityId(network), CLIENT, _SCOPE)
        workspace = Workspace(
            actor,
            at,
            None,
            hub.base,
            lambda: new_id(at),
            loaded,
            clock=now,
            snapshot=hub.snapshots.current,
            rules=rules_in(hub.snapshots),
        )
        if not await plan(workspace, connection):
            return False
        await apply_changes(connection, workspace.finish())
        return True


def _standing(workspace: Workspace, due: DueDeadline) -> Deadline | None:
    """The deadline, where it still has to do what it was found to have to do."""
    found = workspace.loaded.referrals[due.referral].deadlines.get(due.slot)
    if found is None or found.next_at is None or found.next_at > workspace.now:
        return None
    return found if (found.stage, found.offer) == (due.stage, due.offer) else None


def _tell_of_the_way(workspace: Workspace, slip: Deadline, referral: Referral) -> None:
    """The slip is over and the patient still on the way: the office is told, once."""
    workspace.changes.deadlines.append(replace(slip, next_at=None))
    step = workspace.loaded.referrals[referral.id].deadlines.get(Slot.STEP)
    if step is None or not step.is_open or step.stage is Stage.ESCALATED:
        return
    step = past_the_slip(step, slip)
    workspace.changes.deadlines += [step, for_the_office(step)]
    _tell(workspace, ClockMove.ESCALATE, step, referral, over=Slot.SLIP)


def _tell(
    workspace: Workspace,
    move: ClockMove,
    step: Deadline,
    referral: Referral,
    over: Slot | None = None,
) -> None:
    """over: the slip, where it is that and no clock whose time is over."""
    offer = workspace.offer(step.offer or "")
    key = ("Task", offer.id) if offer is not None else ("ServiceRequest", referral.id)
    state = offer.state if offer is not None else referral.state
    kind = step.kind if over is None else over
    reason = (kind.value if kind else None, f"Organization/{step.suggested}" if step.suggested else None)
    workspace.tell(key, move, before=state, after=state, party=Party.SYSTEM, referral=referral, reason=reason)


def _asking_for(due: DueDeadline, listed: list[dict[str, Any]], base: str) -> WriteRequest:
    """The referral once more, and whom its shortlist names."""
    references, identifiers = [], []
    for reference in listed:
        logical = identifier_of(reference)
        target = target_of(reference, base, lambda _system, _value: None)
        if target is not None and target[0] in SUPPORTED:
            references.append(target)
        elif logical is not None:
            identifiers.append((["HealthcareService", "Organization"], *logical))
    return WriteRequest(due.network, focus=[due.referral], references=references, identifiers=identifiers)


def _with_facts(loaded: Loaded, named: Loaded) -> Loaded:
    """What was loaded, with what was asked for afterwards."""
    return replace(
        loaded,
        references=loaded.references | named.references,
        identifiers=loaded.identifiers | named.identifiers,
        facilities=loaded.facilities | named.facilities,
    )


def _put_to_the_next(
    workspace: Workspace, step: Deadline, offer: Offer, listed: list[dict[str, Any]]
) -> bool:
    """End the offer as referred onward, and open the one to the next facility that was not asked yet."""
    referral = workspace.referral(offer.referral)
    if referral is None:
        raise LookupError(f"no referral {offer.referral}")
    asked = {one.owner for one in workspace.offers_of(referral.id)}
    for reference in listed:
        target = _askable(workspace, referral, reference)
        if target is None or target in asked:
            continue
        _tell(workspace, ClockMove.ESCALATE, replace(step, suggested=target), referral)
        content = dict(workspace.current("Task", offer.id) or {})
        onward = {"type": concept(systems.TASK_OUTPUT, "target"), "valueReference": reference}
        content["output"] = [*content.get("output", ()), onward]
        carry_out(
            workspace,
            offer,
            OfferMove.REFER_ONWARD,
            OfferState.REDIRECTED,
            party=Party.SYSTEM,
            content=content,
            status_reason={"text": _NO_ANSWER},
            reason=("other", _NO_ANSWER),
        )
        unplaced = workspace.referrals[referral.id]
        open_offer(workspace, unplaced, target, owner=reference, party=Party.SYSTEM)
        return True
    return False


def _askable(workspace: Workspace, referral: Referral, reference: Mapping[str, Any]) -> str | None:
    """The facility that the reference stands for, where it can be asked; None for one that is gone."""
    try:
        target = named_facility(workspace, reference, "ServiceRequest.performer")
    except BrokenRule:
        return None
    return target if target is not None and can_be_asked(workspace, referral, target) else None
