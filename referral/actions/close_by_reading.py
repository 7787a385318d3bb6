"""Close a referral when its sender's system has read the summary that came back.

The read leaves a note here, as it is answered; what is closed by it is closed beside it, a moment later. A
note is lost when the process ends before: the sender closes by itself then, or by reading again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from referral.actions.carry_out import carry_out
from referral.actions.go_on import going_on
from referral.actions.new_id import new_id
from referral.actions.referral_rules import RulesOf
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.codes import CloseReason
from referral.domain.errors import DomainError, StoreUnavailable
from referral.domain.lifecycle import OfferMove, OfferState, Party
from referral.fhir.offer import output_reference
from referral.fhir.references import Key, target_of
from referral.store.change_set import WriteRequest, apply_changes, load_for_write
from referral.store.pool import Store
from referral.store.standing import offers_with_summary

_MOST_WAITING: Final = 10_000
_EVERY: Final = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class SummaryRead:
    """Who read which version of what may be a summary, in which request."""

    actor: Actor
    summary: Key
    version: int
    request_id: str | None


@dataclass(slots=True)
class SummaryReads:
    """What was read, until it is looked at: of each summary and facility the newest version."""

    _waiting: dict[tuple[str, Key], SummaryRead] = field(default_factory=dict)

    def add(self, read: SummaryRead) -> None:
        """Take a note, as the last one; of very many the last ones are dropped."""
        name = (read.actor.facility, read.summary)
        known = self._waiting.get(name)
        if len(self._waiting) < _MOST_WAITING and (known is None or known.version < read.version):
            self._waiting[name] = read

    def take(self) -> SummaryRead | None:
        """The note that waits longest, which is then gone."""
        name = next(iter(self._waiting), None)
        return None if name is None else self._waiting.pop(name)


async def close_what_is_read(
    store: Store, reads: SummaryReads, now: Callable[[], datetime], base: str, rules: RulesOf
) -> None:
    """Look at the notes every half second, for ever. base: address of the FHIR endpoint.

    rules: gives what a referral goes by.
    """
    while True:
        # Where the store is away the notes wait for it; that it is away others tell.
        with suppress(StoreUnavailable):
            await close_noted(store, reads, now, base, rules)
        await asyncio.sleep(_EVERY)


async def close_noted(
    store: Store, reads: SummaryReads, now: Callable[[], datetime], base: str, rules: RulesOf
) -> None:
    """Look at all notes. Raises StoreUnavailable, and keeps the one it was at and those after it."""
    while (read := reads.take()) is not None:
        with going_on("close_by_reading_failed"):
            try:
                for offer in await offers_with_summary(store, read.actor.facility, *read.summary):
                    await _close(store, offer, read, base=base, now=now(), rules=rules)
            except StoreUnavailable:
                reads.add(read)
                raise
            except DomainError:
                pass  # where it moved at the same moment, the sender closes by itself


async def _close(
    store: Store, offer_id: str, read: SummaryRead, *, base: str, now: datetime, rules: RulesOf
) -> None:
    """Close the offer whose summary this is, unless somebody else just did, or it says something else now."""
    actor = read.actor
    async with store.writing(actor.facility) as connection:
        # Who corrects the summary at this moment waits, or is waited for.
        request = WriteRequest(actor.facility, update=[("Task", offer_id), read.summary])
        loaded = await load_for_write(connection, request)
        at = loaded.not_before(now)
        workspace = Workspace(
            actor, at, read.request_id, base, lambda: new_id(at), loaded, clock=now, rules=rules
        )
        offer, content = workspace.offer(offer_id), workspace.current("Task", offer_id)
        if offer is None or content is None or offer.state is not OfferState.COMPLETED:
            return
        if target_of(output_reference(content, "summary"), base, workspace.resolve) != read.summary:
            return
        stands = loaded.documents.get(read.summary)
        if stands is None or stands.deleted or stands.version != read.version:
            return
        carry_out(
            workspace,
            offer,
            OfferMove.CLOSE,
            OfferState.CLOSED,
            party=Party.SENDER,
            reason=(CloseReason.BY_READING, None),
        )
        await apply_changes(connection, workspace.finish())
