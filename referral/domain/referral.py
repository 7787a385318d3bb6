"""A referral and its offers as the tables know them; the words are those of `lifecycle.py`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from referral.domain.codes import Direction, Priority
from referral.domain.lifecycle import BEFORE_ARRIVAL, OPEN_OFFER, OfferState, ReferralState


@dataclass(frozen=True, slots=True)
class Referral:
    """One request to move a patient's care. `number` and `journey` are None while it is a draft.

    network, sender: ids of the network and of the requester's facility. patient: id of the Patient.
    based_on: the referral that this one continues. directed: the sender said the direction; else it is that
    of its offers, and a guess before the first.
    """

    id: str
    network: str
    number: str | None
    journey: str | None
    based_on: str | None
    state: ReferralState
    direction: Direction
    directed: bool
    priority: Priority
    sender: str
    patient: str
    authored_on: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A referral put to one target: the facility `owner`, by the facility `requester`.

    departed_at: when its sender said that the patient had left; None again with what says that he has not.
    """

    id: str
    referral: str
    network: str
    state: OfferState
    priority: Priority
    requester: str
    owner: str
    patient: str
    authored_on: datetime
    updated_at: datetime
    departed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still holds the referral; one referral has at most one such offer."""
        return self.state in OPEN_OFFER

    @property
    def is_on_the_way(self) -> bool:
        """Whether the patient has left for it and not arrived: also where nobody has answered yet."""
        return self.departed_at is not None and self.state in BEFORE_ARRIVAL


class DemandKind(StrEnum):
    """What one party of an offer asks of the other."""

    QUESTION = "question"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Demand:
    """A question of the receiver, or the sender's wish that the receiver stops; open until it is settled.

    id: of the Communication that asks, or of the Task with the code abort. settled_by: the Communication
    that answers; None also where the offer ended before.
    """

    kind: DemandKind
    id: str
    offer: str
    referral: str
    asked_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the other party still owes something."""
        return self.settled_at is None
