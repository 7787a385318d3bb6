"""Which clock runs in which state, until when, and what silence does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from referral.domain.calendar import WorkingCalendar
from referral.domain.codes import Direction, Priority
from referral.domain.deadlines import (
    Deadline,
    Rules,
    Signing,
    Situation,
    Slot,
    Stage,
    deadlines_after,
    for_the_office,
    past_the_slip,
    running_clock,
)
from referral.domain.facility import NetworkId
from referral.domain.lifecycle import OfferState, Party, ReferralState
from referral.domain.next_step import OfferStanding
from referral.domain.policy import Policy
from referral.domain.policy_rules import ClockKind, CodeList, ListKind
from referral.domain.referral import Offer, Referral

R, Q = ReferralState, OfferState
# A Monday.
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LISTED = ("urn:codes", "long")
POLICY = Policy(NetworkId("net"), "Net", "NT", lists=(CodeList(ListKind.LONG_SLIP, frozenset({LISTED})),))
RULES = Rules(POLICY, WorkingCalendar(), date(2026, 3, 2))
REFERRAL = Referral(
    id="r1",
    network="net",
    number="NT1",
    journey="NT1",
    based_on=None,
    state=R.UNPLACED,
    direction=Direction.UP,
    directed=False,
    priority=Priority.STAT,
    sender="station",
    patient="p1",
    authored_on=MONDAY,
    updated_at=MONDAY,
)
OFFER = Offer("o1", "r1", "net", Q.REQUESTED, Priority.STAT, "station", "hospital", "p1", MONDAY, MONDAY)


def at(state: R, offer: Q | None = None, *, asked: bool = False, **more: object) -> Situation:
    """A referral in this state, with its offer in that one."""
    referral = replace(REFERRAL, state=state, **more)
    if offer is None:
        return Situation(referral)
    return Situation(referral, replace(OFFER, state=offer), OfferStanding(offer, asked=asked))


def departed(state: Q) -> Situation:
    """The same with the patient on the way."""
    situation = at(R.OFFERED, state)
    return replace(situation, offer=replace(OFFER, state=state, departed_at=MONDAY))


class Story:
    """The deadlines of one referral, as its moves leave them."""

    def __init__(self) -> None:
        self.rows: dict[Slot, Deadline] = {}

    def then(self, situation: Situation, now: datetime) -> list[Deadline]:
        changed = deadlines_after(self.rows, situation, RULES, now)
        self.rows |= {row.slot: row for row in changed}
        return changed

    @property
    def step(self) -> Deadline:
        return self.rows[Slot.STEP]

    @property
    def slip(self) -> Deadline:
        return self.rows[Slot.SLIP]

    def fire(self, slot: Slot = Slot.STEP) -> Deadline:
        self.rows[slot] = self.rows[slot].fired("other")
        return self.rows[slot]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.mark.parametrize(
    ("situation", "owes", "kind"),
    [
        (at(R.DRAFT), Party.SENDER, None),
        (at(R.UNPLACED), Party.SENDER, ClockKind.PLACE),
        (at(R.OFFERED, Q.REQUESTED), Party.RECEIVER, ClockKind.ACKNOWLEDGE),
        (at(R.OFFERED, Q.RECEIVED), Party.RECEIVER, ClockKind.ANSWER),
        (at(R.OFFERED, Q.AWAITING_INFORMATION), Party.SENDER, ClockKind.ANSWER),
        (at(R.OFFERED, Q.ACCEPTED), Party.RECEIVER, None),
        (at(R.OFFERED, Q.ACCEPTED, asked=True), Party.SENDER, ClockKind.ANSWER),
        (at(R.OFFERED, Q.SCHEDULED), Party.RECEIVER, None),
        (at(R.OFFERED, Q.IN_TRANSIT), Party.RECEIVER, None),
        (at(R.OFFERED, Q.NO_SHOW), Party.SENDER, None),
        (at(R.IN_CARE, Q.ARRIVED), Party.RECEIVER, ClockKind.SUMMARY),
        (at(R.IN_CARE, Q.ARRIVED, asked=True), Party.SENDER, ClockKind.ANSWER),
        (at(R.COMPLETED, Q.COMPLETED), Party.SENDER, ClockKind.CLOSE),
        (at(R.LAPSED), Party.SENDER, ClockKind.PLACE),
    ],
)
def test_who_owes_and_which_clock_runs(situation: Situation, owes: Party, kind: ClockKind | None) -> None:
    assert running_clock(situation.referral.state, situation.standing) == (owes, kind)


@pytest.mark.parametrize("state", [R.CLOSED, R.CANCELLED, R.ENTERED_IN_ERROR])
def test_nobody_owes_what_has_ended(state: R) -> None:
    assert running_clock(state, None) is None
    assert deadlines_after({}, at(state), RULES, MONDAY) == []


def test_a_clock_warns_when_its_time_is_over_and_escalates_at_twice_of_it(story: Story) -> None:
    story.then(at(R.OFFERED, Q.REQUESTED), MONDAY)
    given = POLICY.clock(ClockKind.ACKNOWLEDGE, RULES.on).time(Priority.STAT)
    assert (story.step.due_at, story.step.escalate_at) == (MONDAY + given, MONDAY + 2 * given)
    assert (story.step.debtor, story.step.creditor) == ("hospital", "station")
    assert story.step.next_at == story.step.due_at
    warned = story.fire()
    assert (warned.stage, warned.next_at) == (Stage.WARNED, warned.escalate_at)
    escalated = story.fire()
    assert (escalated.stage, escalated.next_at, escalated.suggested) == (Stage.ESCALATED, None, "other")
    assert story.fire().stage is Stage.ESCALATED


def test_routine_runs_in_working_time_alone(story: Story) -> None:
    friday = MONDAY + 4 * DAY + 8 * HOUR
    story.then(at(R.OFFERED, Q.REQUESTED, priority=Priority.ROUTINE), friday)
    # Nine hours: one on Friday, eight on Monday.
    assert story.step.due_at == MONDAY + 7 * DAY + 8 * HOUR


def test_the_same_step_keeps_its_clock_and_a_higher_priority_makes_it_sooner(story: Story) -> None:
    urgent = at(R.OFFERED, Q.REQUESTED, priority=Priority.URGENT)
    story.then(urgent, MONDAY)
    before = story.step
    assert story.then(urgent, MONDAY + HOUR) == []
    story.fire()
    story.then(at(R.OFFERED, Q.REQUESTED), MONDAY + HOUR)
    after = story.step
    assert before.due_at is not None
    assert after.due_at is not None
    assert after.due_at < before.due_at
    assert (after.since, after.stage, after.next_at) == (MONDAY, Stage.WARNED, after.escalate_at)


def test_the_clock_of_the_receiver_stands_still_while_the_sender_owes_an_answer(story: Story) -> None:
    story.then(at(R.OFFERED, Q.RECEIVED), MONDAY)
    due = story.step.due_at
    assert due is not None
    story.then(at(R.OFFERED, Q.AWAITING_INFORMATION), MONDAY + 5 * MINUTE)
    assert (story.step.owes, story.step.kind, story.step.held_spent) == (Party.SENDER, ClockKind.ANSWER, 300)
    assert story.step.due_at == MONDAY + 20 * MINUTE
    story.then(at(R.OFFERED, Q.RECEIVED), MONDAY + 2 * HOUR)
    # Five of fifteen minutes were over.
    assert (story.step.due_at, story.step.spent) == (MONDAY + 2 * HOUR + 10 * MINUTE, 300)
    story.then(at(R.OFFERED, Q.AWAITING_INFORMATION), MONDAY + 2 * HOUR + MINUTE)
    assert story.step.held_spent == 360


def test_a_clock_that_has_warned_does_not_warn_again_after_an_answer(story: Story) -> None:
    routine = {"priority": Priority.ROUTINE}
    story.then(at(R.IN_CARE, Q.ARRIVED, **routine), MONDAY)
    story.fire()
    story.fire()
    (office,) = story.then(at(R.IN_CARE, Q.ARRIVED, **routine), MONDAY + HOUR)
    assert office == for_the_office(story.step)
    assert (office.debtor, office.owes, office.slot) == ("net", Party.OFFICE, Slot.OFFICE)
    step, ended = story.then(at(R.IN_CARE, Q.ARRIVED, asked=True, **routine), MONDAY + DAY)
    assert (step.kind, step.held_kind, step.held_stage) == (
        ClockKind.ANSWER,
        ClockKind.SUMMARY,
        Stage.ESCALATED,
    )
    # From Monday morning to Tuesday morning a day of work has passed.
    assert step.held_spent == 9 * 3600
    assert (ended.slot, ended.done_at) == (Slot.OFFICE, MONDAY + DAY)
    step, again = story.then(at(R.IN_CARE, Q.ARRIVED, **routine), MONDAY + 2 * DAY)
    assert (step.stage, step.next_at) == (Stage.ESCALATED, None)
    assert (again.slot, again.is_open) == (Slot.OFFICE, True)


def test_who_asks_at_once_has_acknowledged_and_who_accepts_has_answered(story: Story) -> None:
    story.then(at(R.OFFERED, Q.REQUESTED), MONDAY)
    story.then(at(R.OFFERED, Q.AWAITING_INFORMATION), MONDAY + HOUR)
    assert (story.step.held_kind, story.step.held_spent) == (ClockKind.ANSWER, 0)
    story.then(at(R.OFFERED, Q.ACCEPTED), MONDAY + 2 * HOUR)
    assert (story.step.owes, story.step.kind, story.step.due_at) == (Party.RECEIVER, None, None)
    story.then(at(R.OFFERED, Q.NO_SHOW), MONDAY + 3 * HOUR)
    assert (story.step.owes, story.step.kind, story.step.held_kind) == (Party.SENDER, None, None)


def test_the_office_is_rid_of_it_with_the_step(story: Story) -> None:
    urgent = at(R.UNPLACED, priority=Priority.URGENT)
    story.then(urgent, MONDAY)
    story.fire()
    story.fire()
    story.then(urgent, MONDAY + HOUR)
    assert story.rows[Slot.OFFICE].is_open
    assert story.then(urgent, MONDAY + HOUR) == []
    # It has the priority that the step has, and is due as that is.
    story.then(at(R.UNPLACED), MONDAY + 2 * HOUR)
    office = story.rows[Slot.OFFICE]
    assert (office.priority, office.due_at) == (Priority.STAT, story.step.due_at)
    story.then(at(R.CANCELLED), MONDAY + DAY)
    assert not any(row.is_open for row in story.rows.values())
    assert story.then(at(R.CANCELLED), MONDAY + 2 * DAY) == []


def test_what_was_over_begins_anew(story: Story) -> None:
    story.then(at(R.UNPLACED), MONDAY)
    story.then(at(R.CANCELLED), MONDAY + DAY)
    story.then(at(R.IN_CARE, Q.ARRIVED), MONDAY + 2 * DAY)
    assert story.step.since == MONDAY + 2 * DAY
    assert story.step.is_open


def test_a_lapsed_referral_waits_for_its_sender_until_it_is_replaced(story: Story) -> None:
    story.then(at(R.UNPLACED), MONDAY)
    story.fire()
    story.rows[Slot.OFFICE] = for_the_office(story.fire())
    lapsed = MONDAY + 30 * DAY
    story.then(at(R.LAPSED), lapsed)
    # What was owed before the slip was over has ended with it, also for the office.
    assert (story.step.debtor, story.step.kind, story.step.since) == ("station", ClockKind.PLACE, lapsed)
    assert (story.step.stage, story.step.next_at) == (Stage.RUNNING, story.step.due_at)
    assert not story.rows[Slot.OFFICE].is_open
    assert story.then(at(R.LAPSED), lapsed + DAY) == []
    story.then(replace(at(R.LAPSED), replaced=True), lapsed + 2 * DAY)
    assert not story.step.is_open


def test_a_slip_is_good_for_ten_working_days_and_warned_three_before(story: Story) -> None:
    story.then(at(R.UNPLACED), MONDAY)
    # Its last day is Monday in two weeks; three working days before is Wednesday.
    assert story.slip.escalate_at == datetime(2026, 3, 17, tzinfo=UTC)
    assert story.slip.due_at == story.slip.next_at == datetime(2026, 3, 11, tzinfo=UTC)
    assert story.fire(Slot.SLIP).next_at == story.slip.escalate_at


def test_a_slip_lapses_for_nobody_who_is_on_the_way_or_arrived(story: Story) -> None:
    story.then(at(R.OFFERED, Q.ACCEPTED), MONDAY)
    story.then(departed(Q.IN_TRANSIT), MONDAY + DAY)
    assert (story.slip.next_at, story.slip.is_open) == (story.slip.due_at, True)
    story.fire(Slot.SLIP)
    over = story.slip.escalate_at
    assert over is not None
    story.rows[Slot.STEP] = past_the_slip(story.step, story.slip)
    changed = story.then(departed(Q.IN_TRANSIT), over)
    # The office has it, and no clock looks at it again.
    assert [row.slot for row in changed] == [Slot.OFFICE, Slot.SLIP]
    assert (story.slip.next_at, story.slip.is_open) == (None, True)
    story.then(at(R.OFFERED, Q.NO_SHOW), over + DAY)
    assert (story.slip.next_at, story.rows[Slot.OFFICE].is_open) == (over, False)
    story.then(at(R.IN_CARE, Q.ARRIVED), over + 2 * DAY)
    assert (story.slip.next_at, story.slip.is_open) == (None, False)
    # The arrival was a mistake.
    story.then(at(R.UNPLACED), over + 3 * DAY)
    assert (story.slip.next_at, story.slip.since) == (over, MONDAY)


@pytest.mark.parametrize("state", [Q.REQUESTED, Q.ACCEPTED])
def test_the_office_is_told_when_the_slip_is_over_on_the_way(story: Story, state: Q) -> None:
    story.then(departed(state), MONDAY)
    clock = story.step.due_at
    told = past_the_slip(story.step, story.slip)
    assert (told.stage, told.next_at) == (Stage.ESCALATED, None)
    # What has a clock of its own was due by that.
    assert told.due_at == (clock or story.slip.escalate_at)


@pytest.mark.parametrize(
    ("signed", "codes", "last_day"),
    [
        (MONDAY - 3 * DAY, [], date(2026, 3, 13)),
        (MONDAY, [LISTED], date(2027, 3, 2)),
        # It was over before it came, or is of a day to come: it counts from now.
        (MONDAY - 40 * DAY, [], date(2026, 3, 16)),
        (MONDAY + 5 * DAY, [], date(2026, 3, 16)),
    ],
)
def test_a_slip_counts_from_its_signing(
    story: Story, signed: datetime, codes: list[tuple[str, str]], last_day: date
) -> None:
    story.then(replace(at(R.UNPLACED), signing=Signing(signed, codes)), MONDAY)
    assert story.slip.escalate_at == RULES.calendar.end_of(last_day)
