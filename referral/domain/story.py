"""The course of a referral, step by step: what was done, and who owed the next step after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from referral.domain.lifecycle import OfferState, Party, ReferralMove, ReferralState
from referral.domain.next_step import OfferStanding, who_owes


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One thing that happened to the referral or one of its offers, by whom.

    type, id: the resource. from_state, to_state: words of the lifecycle, None where the move has none.
    asked: whether a question about this offer was open then.
    """

    at: datetime
    type: str
    id: str
    move: str
    from_state: str | None
    to_state: str | None
    party: str | None
    facility_name: str
    reason_code: str | None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story. offer: id of the offer that was put last; None before the first.

    owes: who owes what comes next; None where nobody does, and where more was done at that moment.
    """

    event: ToldEvent
    offer: str | None
    owes: Party | None


@dataclass(slots=True)
class _Course:
    """How the referral stands while its events are told."""

    referral: ReferralState = ReferralState.DRAFT
    offer: str | None = None
    standing: OfferStanding | None = None
    replaced: bool = False

    def take(self, event: ToldEvent) -> None:
        if event.to_state is None:
            return
        if event.type == "ServiceRequest":
            self.referral = ReferralState(event.to_state)
            self.replaced |= event.move == ReferralMove.REPLACE
            return
        self.offer = event.id
        self.standing = OfferStanding(OfferState(event.to_state), asked=event.asked)


def steps(events: Iterable[ToldEvent]) -> Iterator[Step]:
    """The steps of a referral from its events, in their order.

    What a move of an offer makes of its referral is no step of its own.
    """
    course = _Course()
    for _, group in groupby(events, key=lambda event: event.at):
        at_once = list(group)
        of_offers = {event.move for event in at_once if event.type == "Task"}
        told = []
        for event in at_once:
            course.take(event)
            if event.type == "Task" or event.move not in of_offers:
                told.append((event, course.offer))
        for place, (event, offer) in enumerate(told, 1):
            owes = who_owes(course.referral, course.standing, replaced=course.replaced)
            yield Step(event, offer, owes if place == len(told) else None)
