"""The moves of referrals and offers as the event log tells them, to who sees what was moved."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from referral.domain.errors import InvalidElement
from referral.store.pool import Store
from referral.store.statements import statement

MOST_TOLD: Final = 1000
"""Moves that one question is told of."""


class ToldMove(NamedTuple):
    """One move. type, id, version: what was moved, as it then stood. facility: who did it."""

    seq: int
    at: datetime
    type: str
    id: str
    version: int
    referral: str
    move: str
    party: str
    facility: str
    reason_code: str | None
    reason_text: str | None


async def told_moves(
    store: Store, visible_to: str, *, referrals: Collection[str] = (), offers: Collection[str] = ()
) -> list[ToldMove]:
    """Every move of these referrals with their offers, and of these offers, in their order.

    Raises InvalidElement for more than MOST_TOLD.
    """
    async with store.reading(visible_to) as connection:
        rows = await connection.fetch(
            statement("told_moves", "of"), list(referrals), list(offers), MOST_TOLD + 1
        )
    if len(rows) > MOST_TOLD:
        raise InvalidElement(f"That are more than {MOST_TOLD} moves: ask about fewer.")
    return [ToldMove(*row) for row in rows]


async def told_move(store: Store, visible_to: str, seq: int) -> ToldMove | None:
    """The move with this number in the log; None where the facility sees none."""
    async with store.reading(visible_to) as connection:
        row = await connection.fetchrow(statement("told_moves", "one"), seq)
    return None if row is None else ToldMove(*row)
