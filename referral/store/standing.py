"""How a referral or an offer stands at this moment, read by who may see it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import orjson

from referral.domain.codes import Direction
from referral.domain.lifecycle import OfferState, ReferralState
from referral.domain.next_step import OfferStanding
from referral.store.pool import Connection, Store
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class ReferralStanding:
    """A referral by its rows: ids of its sender and its network. performers: how many its draft names.

    replaced: a new one was sent in its place. goes_on: the patient, sent down, is not with who sent him first
    when the receiver of the offer has him. follows: who asks is told how it goes on; who said no is not.
    member: who asks is a member of its network today. offer and owner: of the offer that was asked for; of a
    referral the open one, else the last. due: until when the next step is owed, where a clock runs.
    """

    id: str
    state: ReferralState
    direction: Direction
    sender: str
    network: str
    authored_on: datetime
    performers: int
    replaced: bool
    member: bool
    offer: OfferStanding | None
    owner: str | None
    due: datetime | None = None
    goes_on: bool = False
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under a type and an id. standing: None for what is no referral and no offer."""

    deleted: bool
    standing: ReferralStanding | None


async def read_standing(store: Store, visible_to: str, resource_type: str, resource_id: str) -> Found | None:
    """How the resource stands. None: unknown, or not seen by the facility."""
    row = await store.fetch_as(visible_to, statement("standing", "standing"), resource_type, resource_id)
    if row is None:
        return None
    data = orjson.loads(row[0])
    referral, offer = data["referral"], data["offer"]
    if referral is None:
        return Found(data["deleted"], None)
    return Found(
        data["deleted"],
        ReferralStanding(
            id=referral["id"],
            state=ReferralState(referral["state"]),
            direction=Direction(referral["direction"]),
            sender=referral["sender"],
            network=referral["network"],
            authored_on=datetime.fromisoformat(referral["authored_on"]),
            performers=data["performers"] or 0,
            replaced=data["replaced"],
            member=data["member"],
            offer=OfferStanding(OfferState(offer["state"]), data["asked"], data["abort"]) if offer else None,
            owner=offer["owner"] if offer else None,
            due=datetime.fromisoformat(data["due"]) if data["due"] else None,
            goes_on=data["goes_on"],
            follows=data["follows"],
        ),
    )


async def offers_with_summary(store: Store, sender: str, resource_type: str, resource_id: str) -> list[str]:
    """Ids of the offers of this sender that were completed, by a document that came back to it."""
    async with store.reading(sender) as connection:
        rows = await connection.fetch(
            statement("standing", "summary_read"), sender, resource_type, resource_id
        )
    return [row["id"] for row in rows]


async def summaries_given(connection: Connection, keys: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the documents (type, id) that came back as a summary, as the connection's facility sees."""
    rows = await connection.fetch(
        statement("standing", "summaries_given"), [kind for kind, _ in keys], [name for _, name in keys]
    )
    return [(row["type"], row["id"]) for row in rows]


async def visits_by(
    connection: Connection, receiver: str, appointments: Collection[str]
) -> list[tuple[str, str]]:
    """The offers of this receiver (id) whose visit is set by one of these appointments (id)."""
    rows = await connection.fetch(statement("standing", "visits"), receiver, list(appointments))
    return [(row["offer"], row["appointment"]) for row in rows]
