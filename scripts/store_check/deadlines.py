"""What is owed is what the moves left, and each clock did its work once.

The events of a referral are played again, with the rules of who owes the next step: which clock runs after
each of them, and what silence has made of it. How long a clock runs is not judged here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from referral.domain.deadlines import ClockMove, Slot, Stage, running_clock
from referral.domain.lifecycle import OPEN_OFFER, OfferMove, OfferState, Party, ReferralMove, ReferralState
from referral.domain.next_step import OfferStanding
from referral.domain.policy_rules import ClockKind
from scripts.store_check.facts import Facts, Row
from scripts.store_check.violation import Violation

_SLIP = "slip"
"""Of which a warning tells in place of the kind of a clock."""
_ON_PAPER = {ReferralState.UNPLACED, ReferralState.OFFERED}


@dataclass(frozen=True, slots=True)
class _Asked:
    """From which event on a question was open, until which."""

    offer: str
    first: int
    last: int | None

    def is_open(self, offer: str, event: int) -> bool:
        return self.offer == offer and self.first <= event and (self.last is None or event < self.last)


@dataclass(slots=True)
class _Play:
    """One referral while its events are played."""

    referral: ReferralState = ReferralState.DRAFT
    offers: dict[str, OfferState] = field(default_factory=dict)
    replaced: bool = False
    clock: tuple[str | None, Party, ClockKind | None] | None = None
    """The offer, who owes the step, and the kind."""
    stage: int = 0
    held: tuple[ClockKind | None, int] = (None, 0)
    slip: int = 0
    departed: bool = False

    def silence(self, event: Row) -> str | None:
        """Let a clock warn or escalate; what is wrong with that."""
        if (event["reason_code"], event["move"]) == (_SLIP, ClockMove.ESCALATE):
            # The slip is over, and the patient on the way: the office has it.
            fits = self.departed and self.stage < Stage.ESCALATED
            self.stage = Stage.ESCALATED
        elif event["reason_code"] == _SLIP:
            self.slip += 1
            fits = self.referral in _ON_PAPER and self.slip == Stage.WARNED
        else:
            self.stage += 1
            kind = self.clock[2] if self.clock is not None else None
            due = ClockMove.WARN if self.stage == Stage.WARNED else ClockMove.ESCALATE
            fits = (kind, due) == (event["reason_code"], event["move"]) and self.stage <= Stage.ESCALATED
        return None if fits else f"{event['move']} of {event['reason_code']} once more, or of another step"

    def move(self, event: Row) -> None:
        """Take what a move leaves of the referral or one of its offers."""
        if event["type"] == "Task":
            if event["move"] == OfferMove.DEPART:
                self.departed = True
            elif event["move"] in {OfferMove.MISS, OfferMove.SCHEDULE, OfferMove.WITHDRAW}:
                self.departed = False
            self.offers[event["id"]] = OfferState(event["to_state"])
            return
        after = ReferralState(event["to_state"])
        if after is ReferralState.LAPSED and self.referral is not after:
            self.clock = None
        self.referral = after
        self.replaced |= event["move"] == ReferralMove.REPLACE

    def owe(self, asked: Sequence[_Asked], event: int) -> None:
        """Begin, go on with, hold or end the clock, as the transaction of this event leaves it."""
        offer, standing = self._standing(asked, event)
        running = running_clock(self.referral, standing, replaced=self.replaced)
        if running is None:
            self.clock, self.stage, self.held = None, 0, (None, 0)
            return
        owes, kind = running
        before, self.clock = self.clock, (offer, owes, kind)
        if before == self.clock:
            return
        stage = 0
        held: tuple[ClockKind | None, int] = (None, 0)
        if before is not None and before[0] == offer:
            if before[1] is Party.SENDER and self.held[0] is kind:
                stage = self.held[1]
            elif owes is Party.SENDER and kind is ClockKind.ANSWER:
                acknowledged = before[2] is ClockKind.ACKNOWLEDGE
                held = (ClockKind.ANSWER, 0) if acknowledged else (before[2], self.stage)
        self.stage, self.held = stage, held

    def _standing(self, asked: Sequence[_Asked], event: int) -> tuple[str | None, OfferStanding | None]:
        for name, state in self.offers.items():
            completed = self.referral is ReferralState.COMPLETED and state is OfferState.COMPLETED
            if state in OPEN_OFFER or completed:
                return name, OfferStanding(state, any(one.is_open(name, event) for one in asked))
        return None, None


def check_deadlines(facts: Facts) -> Iterator[Violation]:
    """The rows of each referral against its events; all of what has ended are done."""
    paths: dict[str, list[Row]] = defaultdict(list)
    for event in facts.events:
        if event["referral"] is not None and event["to_state"] is not None:
            paths[event["referral"]].append(event)
    questions: dict[str, list[Row]] = defaultdict(list)
    for row in facts.questions:
        questions[row["referral"]].append(row)
    for name, referral in facts.referrals.items():
        where, play = f"ServiceRequest/{name}", _Play()
        asked = [_asked(row, paths[name]) for row in questions[name]]
        for _, act in groupby(paths[name], key=lambda event: event["tx"]):
            events = list(act)
            for event in events:
                if event["move"] not in set(ClockMove):
                    play.move(event)
                elif fault := play.silence(event):
                    yield Violation("clock-effect", where, fault)
            play.owe(asked, events[-1]["seq"])
        yield from _check_rows(facts, referral, play)


def _asked(question: Row, path: Sequence[Row]) -> _Asked:
    """Two moves may be of one millisecond: it was open from the first of them until the last."""
    offer = question["offer"]
    of_offer = [event for event in path if event["id"] == offer and event["move"] not in set(ClockMove)]
    first = min(
        (one["seq"] for one in of_offer if (one["at"], one["move"]) == (question["asked_at"], OfferMove.ASK)),
        default=0,
    )
    last = max((one["seq"] for one in of_offer if one["at"] == question["settled_at"]), default=first)
    return _Asked(offer, first, last if question["settled_at"] is not None else None)


def _check_rows(facts: Facts, referral: Row, play: _Play) -> Iterator[Violation]:
    where = f"ServiceRequest/{referral['id']}"
    rows = {slot: facts.deadlines.get((referral["id"], slot.value)) for slot in Slot}
    for slot, wanted in (
        (Slot.STEP, play.clock is not None),
        (Slot.OFFICE, play.clock is not None and play.stage == Stage.ESCALATED),
        (Slot.SLIP, play.referral in _ON_PAPER),
    ):
        row = rows[slot]
        if wanted and (row is None or row["done_at"] is not None):
            yield Violation("deadline-missing", where, f"is {play.referral}, and has no {slot} that is owed")
        elif not wanted and row is not None and row["done_at"] is None:
            yield Violation("deadline-left", where, f"is {play.referral}, and its {slot} is not done")
        elif wanted and row is not None:
            expected = _expected(facts, referral, play, slot)
            wrong = {name: row[name] for name, value in expected.items() if row[name] != value}
            if wrong:
                text = f"its {slot} has {wrong}, and should be {expected}"
                yield Violation("deadline-other", where, text)
            if not _looked_at(row, play):
                text = f"its {slot}, at stage {row['stage']}, is looked at {row['next_at']}"
                yield Violation("deadline-unseen", where, text)


def _expected(facts: Facts, referral: Row, play: _Play, slot: Slot) -> Mapping[str, Any]:
    shared = {"network": referral["network"], "priority": referral["priority"]}
    if slot is Slot.SLIP or play.clock is None:
        return {"network": referral["network"], "stage": play.slip}
    offer, owes, kind = play.clock
    shared |= {"offer": offer, "kind": kind, "stage": play.stage}
    if slot is Slot.OFFICE:
        return shared | {"owes": Party.OFFICE, "debtor": referral["network"], "creditor": None}
    receiver = facts.offers[offer]["owner"] if offer is not None else None
    parties = (referral["sender"], receiver)
    debtor, creditor = parties if owes is Party.SENDER else reversed(parties)
    held = {"held_kind": play.held[0], "held_stage": play.held[1]}
    return shared | held | {"owes": owes, "debtor": debtor, "creditor": creditor}


def _looked_at(row: Row, play: _Play) -> bool:
    """A worker looks at it when it is due, or a while later where it could not do it then."""
    if row["slot"] == Slot.SLIP and play.departed and row["next_at"] is None:
        # It was over on the way, of which the office was told.
        return play.stage == Stage.ESCALATED
    due = {Stage.RUNNING: row["due_at"], Stage.WARNED: row["escalate_at"]}.get(Stage(row["stage"]))
    if due is None or row["slot"] == Slot.OFFICE:
        return row["next_at"] is None
    return row["next_at"] is not None and row["next_at"] >= due
