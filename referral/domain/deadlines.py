"""What is owed of a referral, by whom and until when: which clock runs in which state, and what silence does.

A clock warns when its time is over and escalates when twice of it is; neither ends a referral. Only the slip
does, when it is not valid any more and the patient is neither on the way nor arrived; of who is on the way
the office is told then. Pure: the rules, the moment and the rows as they stand are arguments.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum

from referral.domain.calendar import WorkingCalendar
from referral.domain.codes import Priority
from referral.domain.lifecycle import OfferState, Party, ReferralState
from referral.domain.next_step import OfferStanding, who_owes
from referral.domain.policy import Policy
from referral.domain.policy_rules import ESCALATE_PERCENT, WARN_PERCENT, ClockKind, Code, runs_in_working_time
from referral.domain.referral import Offer, Referral


class Slot(StrEnum):
    """A referral has at most one deadline of each: what is owed, what that gives the office, the slip."""

    STEP = "step"
    OFFICE = "office"
    SLIP = "slip"


class Stage(IntEnum):
    """What a deadline has caused until now. The last one of a slip is that it lapses."""

    RUNNING = 0
    WARNED = 1
    ESCALATED = 2


class ClockMove(StrEnum):
    """What the clock does to a step beside the moves of the lifecycle: no status changes."""

    WARN = "warn"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy and the calendar that hold for a referral, and the day of which they are."""

    policy: Policy
    calendar: WorkingCalendar
    on: date


@dataclass(frozen=True, slots=True)
class Deadline:
    """One thing that is owed, or the validity of the slip; over when `done_at` is set.

    kind: of the clock; None where none runs (an accepted offer) and for the slip. owes, debtor, creditor: who
    owes the step, its facility, and that of the party that waits for it. due_at, escalate_at: when it warns
    and escalates (a slip: when both sides are warned, and when it lapses). next_at: when the worker looks at
    it again. spent: seconds of its time that were over at `since`. held_*: the clock of the other side, which
    stands still until this step is made. suggested: the facility that could be asked next.
    """

    referral: str
    slot: Slot
    network: str
    offer: str | None
    kind: ClockKind | None
    owes: Party | None
    debtor: str | None
    creditor: str | None
    priority: Priority
    since: datetime
    due_at: datetime | None
    escalate_at: datetime | None
    next_at: datetime | None
    stage: Stage = Stage.RUNNING
    spent: int = 0
    held_kind: ClockKind | None = None
    held_spent: int = 0
    held_stage: Stage = Stage.RUNNING
    suggested: str | None = None
    done_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still owed."""
        return self.done_at is None

    def fired(self, suggested: str | None = None) -> "Deadline":
        """As it stands after the next thing that it causes."""
        stage = Stage(min(self.stage + 1, Stage.ESCALATED))
        return replace(self, stage=stage, next_at=_next_at(self, stage), suggested=suggested)

    def ended(self, now: datetime) -> "Deadline":
        """As it stands when it is not owed any more."""
        return replace(self, next_at=None, done_at=now)


@dataclass(frozen=True, slots=True)
class Signing:
    """When the slip of a referral was signed, and what decides how long it is valid: diagnosis, technique."""

    at: datetime
    codes: Collection[Code] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """How a referral stands now. offer, standing: the one that is open, or that was completed.

    signing: where its slip may not be known yet. replaced: it lapsed, and a new one took its place.
    """

    referral: Referral
    offer: Offer | None = None
    standing: OfferStanding | None = None
    signing: Signing | None = None
    replaced: bool = False


def running_clock(
    state: ReferralState, standing: OfferStanding | None, *, replaced: bool = False
) -> tuple[Party, ClockKind | None] | None:
    """Who owes the next step, and which clock runs for that; None: nobody owes one."""
    owes = who_owes(state, standing, replaced=replaced)
    if owes is None:
        return None
    offer = standing.state if standing is not None else None
    if standing is not None and owes is Party.SENDER and (standing.asked or offer is _O.AWAITING_INFORMATION):
        return owes, ClockKind.ANSWER
    if state is ReferralState.OFFERED:
        return owes, _BEFORE_ANSWER.get(offer)
    return owes, _WHATEVER_THE_OFFER.get(state)


_O = OfferState
_BEFORE_ANSWER: Mapping[OfferState | None, ClockKind] = {
    _O.REQUESTED: ClockKind.ACKNOWLEDGE,
    _O.RECEIVED: ClockKind.ANSWER,
}
_WHATEVER_THE_OFFER = {
    ReferralState.UNPLACED: ClockKind.PLACE,
    ReferralState.IN_CARE: ClockKind.SUMMARY,
    ReferralState.COMPLETED: ClockKind.CLOSE,
    # It has to be put to somebody anew, by another request in its place, or not at all.
    ReferralState.LAPSED: ClockKind.PLACE,
}


def deadlines_after(
    before: Mapping[Slot, Deadline], situation: Situation, rules: Rules, now: datetime
) -> list[Deadline]:
    """The deadlines of a referral that stand otherwise than before: those that begin, and those that end."""
    old, old_slip = before.get(Slot.STEP), before.get(Slot.SLIP)
    lapses = situation.referral.state is ReferralState.LAPSED and old_slip is not None and old_slip.is_open
    # Who did not put it to anybody while the slip held owes another step now that it is over.
    step = _step(None if lapses else old, situation, rules, now)
    changed = [] if step == old or step is None else [step]
    if step is None and old is not None and old.is_open:
        changed = [old.ended(now)]
    office = before.get(Slot.OFFICE)
    if step is not None and step.stage is Stage.ESCALATED:
        owed = for_the_office(step)
        if owed != office:
            changed.append(owed)
    elif office is not None and office.is_open:
        # A step that is another one, or stands still, is no business of the office any more.
        changed.append(office.ended(now))
    slip = _slip(old_slip, situation, rules, now)
    if slip is not None and slip != old_slip:
        changed.append(slip)
    return changed


def for_the_office(step: Deadline) -> Deadline:
    """What the office owes when a step is escalated to it."""
    return replace(
        step,
        slot=Slot.OFFICE,
        owes=Party.OFFICE,
        debtor=step.network,
        creditor=None,
        next_at=None,
        held_kind=None,
        held_spent=0,
        held_stage=Stage.RUNNING,
    )


def _step(before: Deadline | None, situation: Situation, rules: Rules, now: datetime) -> Deadline | None:
    """What is owed now: as before where it is the same, but sooner where the priority rose."""
    referral, offer = situation.referral, situation.offer
    running = running_clock(referral.state, situation.standing, replaced=situation.replaced)
    if running is None:
        return None
    owes, kind = running
    if before is not None and not before.is_open:
        before = None
    receiver = offer.owner if offer is not None else None
    debtor, creditor = referral.sender, receiver
    if owes is Party.RECEIVER:
        debtor, creditor = receiver or referral.sender, referral.sender
    step = Deadline(
        referral=referral.id,
        slot=Slot.STEP,
        network=referral.network,
        offer=offer.id if offer is not None else None,
        kind=kind,
        owes=owes,
        debtor=debtor,
        creditor=creditor,
        priority=referral.priority,
        since=now,
        due_at=None,
        escalate_at=None,
        next_at=None,
    )
    if before is not None and before.offer == step.offer:
        if (before.owes, before.kind) == (owes, kind):
            if before.priority is referral.priority:
                return before
            return _timed(replace(before, priority=referral.priority), rules)
        if before.owes is Party.SENDER and before.held_kind is kind:
            step = replace(step, spent=before.held_spent, stage=before.held_stage)
        elif owes is Party.SENDER and kind is ClockKind.ANSWER:
            step = _holding(step, before, rules, now)
    return _timed(step, rules)


def _holding(step: Deadline, before: Deadline, rules: Rules, now: datetime) -> Deadline:
    """The receiver asks: its own clock stands still. Who asks at once has acknowledged by that."""
    if before.kind is ClockKind.ACKNOWLEDGE:
        return replace(step, held_kind=ClockKind.ANSWER)
    passed = now - before.since
    if runs_in_working_time(before.priority):
        passed = rules.calendar.time_between(before.since, now)
    spent = before.spent + max(int(passed.total_seconds()), 0)
    return replace(step, held_kind=before.kind, held_spent=spent, held_stage=before.stage)


def _timed(step: Deadline, rules: Rules) -> Deadline:
    """With the moments at which it is due."""
    if step.kind is None:
        return step
    policy, calendar, spent = rules.policy, rules.calendar, timedelta(seconds=step.spent)
    due_at, escalate_at = (
        policy.due_at(
            step.kind, step.priority, step.since, calendar, on=rules.on, percent=percent, spent=spent
        )
        for percent in (WARN_PERCENT, ESCALATE_PERCENT)
    )
    step = replace(step, due_at=due_at, escalate_at=escalate_at)
    return replace(step, next_at=_next_at(step, step.stage))


def _slip(before: Deadline | None, situation: Situation, rules: Rules, now: datetime) -> Deadline | None:
    """The slip: it holds until the patient has arrived, and lapses for nobody who is on the way."""
    referral, offer = situation.referral, situation.offer
    if referral.state not in {ReferralState.UNPLACED, ReferralState.OFFERED}:
        return before.ended(now) if before is not None and before.is_open else before
    slip = before
    if slip is None:
        slip = _signed(referral, rules, now, situation.signing or Signing(referral.authored_on))
    told = slip.escalate_at is not None and slip.escalate_at <= now
    if offer is not None and offer.is_on_the_way and told:
        # The office knows; who did not come after all lets it lapse.
        return replace(slip, done_at=None, next_at=None)
    return replace(slip, done_at=None, next_at=_next_at(slip, slip.stage))


def past_the_slip(step: Deadline, slip: Deadline) -> Deadline:
    """What is owed of a patient who is on the way when the slip is over: that is told to the office."""
    if step.kind is None:
        step = replace(step, due_at=slip.escalate_at, escalate_at=slip.escalate_at)
    return replace(step, stage=Stage.ESCALATED, next_at=None)


def _signed(referral: Referral, rules: Rules, now: datetime, signing: Signing) -> Deadline:
    """A slip that was over before it came is counted from the day it came: who sends it now signs it now."""
    calendar, signed = rules.calendar, min(signing.at, now)
    end = rules.policy.slip_end(signed, signing.codes, calendar, on=rules.on)
    if calendar.end_of(end) <= now:
        signed = now
        end = rules.policy.slip_end(signed, signing.codes, calendar, on=rules.on)
    warned = rules.policy.slip_warning(end, calendar)
    return Deadline(
        referral=referral.id,
        slot=Slot.SLIP,
        network=referral.network,
        offer=None,
        kind=None,
        owes=None,
        debtor=None,
        creditor=None,
        priority=referral.priority,
        since=signed,
        due_at=calendar.end_of(warned - timedelta(days=1)),
        escalate_at=calendar.end_of(end),
        next_at=None,
    )


def _next_at(deadline: Deadline, stage: Stage) -> datetime | None:
    match stage:
        case Stage.RUNNING:
            return deadline.due_at
        case Stage.WARNED:
            return deadline.escalate_at
        case _:
            return None
