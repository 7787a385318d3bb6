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
from referral.domain.errors import DomainError
from referral.domain.lifecycle import OfferMove, OfferState, Party
from referral.fhir.offer import output_reference
from referral.fhir.references import Key, target_of
from referral.store.change_set import WriteRequest, apply_changes, load_for_write
from referral.store.pool import Store
from referral.store.standing import offers_with_summary

_MOST_WAITING: Final = 10_000
_EVERY: Final = 0.5  # seconds


@dataclass(slots=True)
class SummaryReads:
    """What was read and may be a summary, until it is looked at; each by whom, and in which request."""

    _waiting: dict[tuple[str, Key], tuple[Actor, str | None]] = field(default_factory=dict)

    def add(self, actor: Actor, resource_type: str, resource_id: str, request_id: str | None) -> None:
        """Take a note; of very many the last ones are dropped."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting[actor.facility, (resource_type, resource_id)] = (actor, request_id)

    def take(self) -> list[tuple[Key, Actor, str | None]]:
        """All notes, which are then gone."""
        taken = [(key, actor, request) for (_, key), (actor, request) in self._waiting.items()]
        self._waiting.clear()
        return taken


async def close_what_is_read(
    store: Store, reads: SummaryReads, now: Callable[[], datetime], base: str, rules: RulesOf
) -> None:
    """Look at the notes every half second, for ever. base: address of the FHIR endpoint.

    rules: gives what a referral goes by.
    """
    while True:
        for key, actor, request_id in reads.take():
            # Where it moved at the same moment, or the store is away, the sender closes by itself.
            with going_on("close_by_reading_failed"), suppress(DomainError):
                for offer in await offers_with_summary(store, actor.facility, *key):
                    await _close(store, offer, key, actor, request_id, base=base, now=now(), rules=rules)
        await asyncio.sleep(_EVERY)


async def _close(
    store: Store,
    offer_id: str,
    summary: Key,
    actor: Actor,
    request_id: str | None,
    *,
    base: str,
    now: datetime,
    rules: RulesOf,
) -> None:
    """Close the offer whose summary this is, unless somebody else just did."""
    async with store.writing(actor.facility) as connection:
        request = WriteRequest(actor.facility, update=[("Task", offer_id)])
        loaded = await load_for_write(connection, request)
        at = loaded.not_before(now)
        workspace = Workspace(actor, at, request_id, base, lambda: new_id(at), loaded, clock=now, rules=rules)
        offer, content = workspace.offer(offer_id), workspace.current("Task", offer_id)
        if offer is None or content is None or offer.state is not OfferState.COMPLETED:
            return
        if target_of(output_reference(content, "summary"), base, workspace.resolve) != summary:
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
