"""What is due, for the worker: it looks over the wall and is told of no patient."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from referral.domain.deadlines import Slot, Stage
from referral.domain.lifecycle import Party
from referral.domain.policy_rules import ClockKind
from referral.store.pool import Connection
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class DueDeadline:
    """A deadline that has something to do: `stage` is what it did last. debtor: the facility that owes.

    authored_on: of the referral, by which its policy is found.
    """

    referral: str
    slot: Slot
    network: str
    offer: str | None
    kind: ClockKind | None
    owes: Party | None
    debtor: str | None
    stage: Stage
    authored_on: datetime


@dataclass(frozen=True, slots=True)
class ClockCount:
    """The clocks of one kind that run: how many, how many of them are overdue and escalated.

    oldest: when the first of them was or is due. kind None: no clocks, but when the worker has to look next.
    """

    kind: ClockKind | None
    running: int
    overdue: int
    escalated: int
    oldest: datetime | None


async def due_deadlines(connection: Connection, now: datetime, most: int, lapses: int) -> list[DueDeadline]:
    """What is due at a moment, the most urgent first: at most so many, and behind them so many that lapse."""
    rows = await connection.fetch(statement("deadline", "due"), now, most, lapses)
    return [
        DueDeadline(
            row["referral"],
            Slot(row["slot"]),
            row["network"],
            row["offer"],
            _kind(row["kind"]),
            Party(row["owes"]) if row["owes"] else None,
            row["debtor"],
            Stage(row["stage"]),
            row["authored_on"],
        )
        for row in rows
    ]


async def fire_deadlines(
    connection: Connection, now: datetime, due: Sequence[tuple[DueDeadline, str | None]]
) -> list[Stage]:
    """Warn of each, or escalate it with the facility to ask next; what each did that was done.

    What moved since, or what somebody else has in hand, is left out.
    """
    rows = [(one.referral, one.slot, one.stage, suggested) for one, suggested in due]
    done = await connection.fetch(statement("deadline", "fire"), now, json.dumps(rows))
    return [Stage(row["stage"]) for row in done]


async def take_referral(connection: Connection, referral: str) -> bool:
    """Lock a referral for this transaction; False where somebody else has it in hand."""
    taken: bool = await connection.fetchval(statement("deadline", "take"), referral)
    return taken


async def postpone_deadline(connection: Connection, due: DueDeadline, until: datetime) -> None:
    """Look at it again later."""
    await connection.execute(statement("deadline", "postpone"), due.referral, due.slot, until)


async def without_deadline(connection: Connection, after: str, most: int) -> list[tuple[str, str]]:
    """Ids and networks of referrals under way that have no deadline, behind the id `after`."""
    rows = await connection.fetch(statement("deadline", "without"), after, most)
    return [(row["referral"], row["network"]) for row in rows]


async def clock_counts(connection: Connection) -> tuple[ClockCount, ...]:
    """How the clocks stand now, of all networks; the same for any actor."""
    rows = await connection.fetch(statement("deadline", "counts"))
    return tuple(
        ClockCount(_kind(row["kind"]), row["running"], row["overdue"], row["escalated"], row["oldest"])
        for row in rows
    )


def _kind(text: str | None) -> ClockKind | None:
    return ClockKind(text) if text else None
