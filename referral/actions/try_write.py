"""Find out what would become of a write, without doing it."""

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from referral.actions.draft import Draft, Written
from referral.actions.referral_rules import RulesOf
from referral.actions.write_resources import write_resources
from referral.domain.actor import Actor
from referral.domain.attachment import AttachmentRules
from referral.network.snapshot import Snapshot
from referral.store.pool import Store


async def try_write(
    store: Store,
    draft: Draft,
    *,
    actor: Actor,
    base: str,
    now: datetime,
    new_id: Callable[[], str],
    request_id: str | None,
    attachments: AttachmentRules,
    rules: RulesOf,
    snapshot: Snapshot,
) -> tuple[str, ...]:
    """What the hub would keep as it is although the draft says something else; nothing stays of it.

    rules, snapshot: as of `write_resources`. What the database alone would refuse is not found. Raises any
    DomainError that the write would.
    """
    try:
        await write_resources(
            store,
            [draft],
            actor=actor,
            base=base,
            now=now,
            new_id=new_id,
            request_id=request_id,
            render=_leave,
            attachments=attachments,
            rules=rules,
            snapshot=snapshot,
        )
    except _LeftError as left:
        return left.written[0].notes
    raise AssertionError("a write ended without being rendered")


class _LeftError(Exception):
    """Ends the transaction where all is decided and nothing written."""

    def __init__(self, written: list[Written]) -> None:
        super().__init__()
        self.written = written


def _leave(written: list[Written]) -> NoReturn:
    raise _LeftError(written)
