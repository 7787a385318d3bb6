"""Writes that come at once, in one transaction: most of what each costs, they share.

A command is loaded, decided and applied as it would be alone. In between, nothing of another is done that it
would have waited for: see `_held`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from referral.domain.errors import StoreUnavailable
from referral.store.change_set import (
    ChangeSet,
    Loaded,
    WriteRequest,
    apply_changes,
    load_each,
)
from referral.store.pool import Store, is_locked
from referral.store.replay import Answer


@dataclass(slots=True, eq=False)
class Command:
    """One write: what it has to know, and what follows from that.

    decide: what is to be written, and the answer; raises what is answered in its place. outcome: the answer
    or what was raised; None where it could not be done together with others.
    """

    request: WriteRequest
    decide: Callable[[Loaded], tuple[ChangeSet, Answer]]
    outcome: Answer | Exception | None = None


async def write_together(store: Store, command: Command) -> Answer | None:
    """The answer of a command that sends nothing but load and apply; None where it has to be done alone.

    Raises what the command raises, and StoreUnavailable.
    """
    await store.commands.take(command, partial(_write, store))
    if isinstance(command.outcome, Exception):
        raise command.outcome
    return command.outcome


async def _write(store: Store, commands: Sequence[Command]) -> None:
    """All in one transaction; where one of several cannot be written, none of them is."""
    try:
        await _write_all(store, commands)
    except StoreUnavailable as failure:
        for command in commands:
            command.outcome = None if is_locked(failure) else failure
    except Exception as failure:  # noqa: BLE001 - told to the one whose it is
        for command in commands:
            command.outcome = failure if len(commands) == 1 else None
    except BaseException:
        # Nobody knows whether it was committed: it must not be done again here.
        for command in commands:
            command.outcome = StoreUnavailable("It was interrupted; send the same request again.")
        raise


async def _write_all(store: Store, commands: Sequence[Command]) -> None:
    changes = ChangeSet()
    held: set[tuple[str, str]] = set()
    async with store.writing(commands[0].request.actor) as connection:
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
        if changes.documents or changes.audits or changes.replay:
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
