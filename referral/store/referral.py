"""What is told of referrals without telling of a patient: the story of one, and how many wait."""

from dataclasses import dataclass
from datetime import datetime

from referral.domain.codes import Direction, Priority
from referral.domain.journey import Loop, LoopReason
from referral.domain.lifecycle import OfferState, ReferralState
from referral.domain.story import ToldEvent
from referral.store.pool import Connection
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class ToldOffer:
    """One offer; `owner_name` is the facility it was put to."""

    id: str
    state: OfferState
    owner_name: str
    authored_on: datetime


@dataclass(frozen=True, slots=True)
class ToldLeg:
    """One referral of a journey. target_name: whom it was put to last; None where nobody was asked."""

    number: str
    direction: Direction
    state: ReferralState
    sender_name: str
    target_name: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """A referral with its offers and events in their order. based_on: number of the one it continues.

    legs: all referrals of its journey, in their order. loop, loop_reason, loop_since: how the loop of that
    stands.
    """

    id: str
    number: str
    journey: str
    based_on: str | None
    state: ReferralState
    direction: Direction
    priority: Priority
    network_name: str
    sender_name: str
    authored_on: datetime
    offers: tuple[ToldOffer, ...]
    events: tuple[ToldEvent, ...]
    legs: tuple[ToldLeg, ...]
    loop: Loop
    loop_reason: LoopReason | None
    loop_since: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingOffers:
    """All offers in one of the states that wait for an answer, of all networks.

    since: last move, or change of priority, of the one that stands longest; None where there is none.
    """

    state: OfferState
    offers: int
    since: datetime | None


async def network_of_number(connection: Connection, number: str) -> str | None:
    """The network of the referral with this number, for any actor; None where there is none."""
    network: str | None = await connection.fetchval(statement("referral", "network_of_number"), number)
    return network


async def find_story(connection: Connection, number: str) -> Story | None:
    """The story of the referral with this number; None where the connection's actor sees none."""
    row = await connection.fetchrow(statement("referral", "find_story"), number)
    if row is None:
        return None
    offers = await connection.fetch(statement("referral", "offers_of"), row["id"])
    events = await connection.fetch(statement("referral", "events_of"), row["id"])
    legs = await connection.fetch(statement("referral", "legs_of"), row["journey"])
    return Story(
        id=row["id"],
        number=row["number"],
        journey=row["journey"],
        based_on=row["based_on"],
        state=ReferralState(row["state"]),
        direction=Direction(row["direction"]),
        priority=Priority(row["priority"]),
        network_name=row["network_name"],
        sender_name=row["sender_name"],
        authored_on=row["authored_on"],
        offers=tuple(ToldOffer(**dict(offer) | {"state": OfferState(offer["state"])}) for offer in offers),
        events=tuple(ToldEvent(**event) for event in events),
        legs=tuple(
            ToldLeg(
                leg["number"],
                Direction(leg["direction"]),
                ReferralState(leg["state"]),
                leg["sender_name"],
                leg["target_name"],
            )
            for leg in legs
        ),
        loop=Loop(row["loop"]),
        loop_reason=LoopReason(row["loop_reason"]) if row["loop_reason"] else None,
        loop_since=row["loop_since"],
    )


async def waiting_offers(connection: Connection) -> tuple[WaitingOffers, ...]:
    """How many offers wait, one entry for each state that does; the same for any actor."""
    rows = await connection.fetch(statement("referral", "waiting"))
    return tuple(WaitingOffers(OfferState(row["state"]), row["offers"], row["since"]) for row in rows)
