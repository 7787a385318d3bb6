"""Writes that come at once, in one transaction: most of what each costs, they share.

A command is loaded, decided and applied as it would be alone. No two are in it that would have waited for
each other: see `_held`. For others it waits a tenth of a second at most, and no statement of it may take
long: then none of them is written, and each is done by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from referral.domain.errors import DomainError, StoreUnavailable
from referral.store.change_set import (
    ChangeSet,
    Loaded,
    WriteRequest,
    apply_changes,
    load_each,
)
from referral.store.pool import Connection, Store, took_too_long
from referral.store.replay import Answer


@dataclass(slots=True, eq=False)
class Command:
    """One write: what it has to know, and what follows from that.

    decide: what is to be written, and the answer; raises what is answered in its place. size: of what was
    sent, in bytes. outcome: the answer or what was raised; None where it is to be done by itself.
    """

    request: WriteRequest
    decide: Callable[[Loaded], tuple[ChangeSet, Answer]]
    size: int = 0
    outcome: Answer | Exception | None = None


async def write_together(store: Store, command: Command) -> Answer | None:
    """The answer of a command that sends nothing but load and apply; None where it has to be done alone.

    Raises what the command raises, and StoreUnavailable.
    """
    await store.commands.take(command, partial(_write, store), size=command.size)
    if isinstance(command.outcome, Exception):
        raise command.outcome
    return command.outcome


async def _write(store: Store, commands: Sequence[Command]) -> None:
    """All in one transaction; where one of several cannot be written, none of them is."""
    begun = decided = False
    try:
        async with store.writing(commands[0].request.actor, brief=True) as connection:
            begun = True
            await _write_all(connection, commands)
            decided = True
    except BaseException as failure:
        # Only COMMIT is left then. Unless the database says that it breaks a rule, nobody knows whether it
        # was done, and it must not be done again here.
        refused = isinstance(failure, DomainError) and not isinstance(failure, StoreUnavailable)
        unknown = (decided and not refused) or not isinstance(failure, Exception)
        away = not begun and isinstance(failure, StoreUnavailable)
        for command in commands:
            if unknown or away:
                command.outcome = _unavailable(failure)
            elif len(commands) > 1 or took_too_long(failure):
                command.outcome = None
            elif isinstance(failure, Exception):
                command.outcome = failure
        if not isinstance(failure, Exception):
            raise


def _unavailable(failure: BaseException) -> StoreUnavailable:
    """One for each: who raises it writes into it."""
    known = failure.problems if isinstance(failure, StoreUnavailable) else None
    found = StoreUnavailable(known or "It was interrupted; send the same request again.")
    found.__cause__ = failure
    return found


async def _write_all(connection: Connection, commands: Sequence[Command]) -> None:
    changes = ChangeSet()
    held: set[tuple[str, str]] = set()
    reads = await load_each(connection, [command.request for command in commands])
    for command, read in zip(commands, reads, strict=True):
        try:
            loaded = read()
            mine = _held(command.request, loaded)
            if loaded.replay is not None:
                command.outcome = loaded.replay
            elif held.isdisjoint(mine):
                found, answer = command.decide(loaded)
                if len(commands) == 1 or not _waits(found):
                    changes.add(found)
                    command.outcome = answer
                    held |= mine
        except Exception as failure:  # noqa: BLE001 - told to the one whose it is
            command.outcome = failure
        # Whoever else is served by this loop waits for one decision, not for all.
        await asyncio.sleep(0)
    if changes.documents or changes.audits or changes.replay:
        # In one order for all transactions, as each command has its own: so two never wait for each other.
        changes.documents.sort(key=lambda row: (row["type"], row["id"]))
        await apply_changes(connection, changes)


def _waits(changes: ChangeSet) -> bool:
    """Whether `apply_changes` takes locks for it, or goes by the facility that the connection acts for."""
    return bool(changes.ended or changes.late or changes.typed)


def _held(request: WriteRequest, loaded: Loaded) -> set[tuple[str, str]]:
    """What no two commands of one transaction may share: what a second would wait for alone.

    These are the rows that `load_for_write` locks (what is changed, referrals with their offers, and the
    first of a journey for all of it) and the name of the write.
    """
    held = {*request.update, *loaded.documents, *(("journey", number) for number in loaded.journeys)}
    return held | {("once", request.once.key)} if request.once else held
