"""Write what a request brings: one resource, or all of a transaction Bundle, in one transaction.

Four messages whatever it is: BEGIN with the actor, load and lock, apply the change set, COMMIT. What needs
no more shares them with the writes that come at the same time. After the first comes what a condition needs
to be searched for, and what is patched; after the second, what rests on something that is to be deleted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from referral.actions.attach import check_attached, keep_attached, with_bytes
from referral.actions.carry_out import WITHOUT_CARE
from referral.actions.check_search import check_search
from referral.actions.check_visit import tell_of_visits
from referral.actions.delete_resource import check_deletable, check_unneeded
from referral.actions.draft import Draft, Written
from referral.actions.find_existing import find_existing
from referral.actions.keep_summary import check_summaries
from referral.actions.patch_resource import patched
from referral.actions.plan_drafts import plan_drafts
from referral.actions.referral_rules import RulesOf
from referral.actions.run_aside import LONG, run_aside
from referral.actions.take_summary import SUMMARY_TYPES
from referral.actions.what_to_load import NAMED_BY_IDENTIFIER, what_to_load
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.attachment import AttachmentRules
from referral.domain.scope import Interaction, check_scope
from referral.fhir.attachment import BINARY, attached
from referral.fhir.content import reread_content, write_content
from referral.fhir.references import Key
from referral.fhir.resources import DIRECTORY
from referral.fhir.states import OFFER_STATUS
from referral.network.snapshot import Snapshot
from referral.store.change_set import ChangeSet, Loaded, WriteRequest, apply_changes, load_for_write
from referral.store.pool import Connection, Store
from referral.store.replay import Answer, Once, find_replay
from referral.store.write_together import Command, write_together

_ATTACHMENTS = AttachmentRules()
# With these a right of access ends, and others would decide and load it in vain.
_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Task": tuple({OFFER_STATUS[state].status for state in WITHOUT_CARE}),
    "ServiceRequest": ("revoked", "entered-in-error"),
}

Follow = Callable[[Store, list[Written]], Awaitable[None]]
"""Is given the store as it will stand, and what became of the drafts; what it raises undoes all of it."""


async def write_resources(
    store: Store,
    drafts: Sequence[Draft],
    *,
    actor: Actor,
    base: str,
    now: datetime,
    new_id: Callable[[], str],
    request_id: str | None,
    render: Callable[[list[Written]], Answer],
    rules: RulesOf,
    follow: Follow | None = None,
    once: Once | None = None,
    address: str | None = None,
    attachments: AttachmentRules = _ATTACHMENTS,
    size: int = 0,
    snapshot: Snapshot | None = None,
) -> Answer:
    """Write all drafts or none, and answer: `render` is given what became of them, in their order.

    follow: what is asked of the store before all this counts, and before it is answered. base: address of the
    FHIR endpoint; address: where the request came from. once: what makes this write the same as one before,
    which is then answered again and not done again. attachments: what a Binary may be. rules: gives what a
    referral goes by. snapshot: the network, to tell of places. size: of the request, in bytes; of a large one
    all that is long is done beside the loop. Raises any DomainError, its expressions naming the Bundle entry.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    for draft in drafts:
        with draft.placed():
            _check_scope(actor, draft)

    def with_all_bytes(brought: Sequence[Draft]) -> list[Draft]:
        return [with_bytes(draft, attachments) for draft in brought]

    drafts = await run_aside(size, with_all_bytes, drafts)
    write = _Write(actor, base, now, new_id, request_id, render, once, address, rules, snapshot)
    if size < LONG and follow is None and not any(_needs_more(draft, base) for draft in drafts):
        sent = [write_content(draft.content) for draft in drafts]
        command = Command(what_to_load(drafts, actor, base, once), partial(write.decide, drafts), size)
        together = await write_together(store, command)
        if together is not None:
            return together
        # As they were: who decides adds to them.
        drafts = [
            replace(draft, content=reread_content(text)) for draft, text in zip(drafts, sent, strict=True)
        ]
    turn = store.large_writes if size >= LONG else nullcontext()
    async with turn, store.writing(actor.facility) as connection:
        existing: dict[Key, Written] = {}
        if any(draft.condition or draft.named for draft in drafts):
            # Before the search: the first of two finds nothing, and its twin is answered the same.
            replay = await find_replay(connection, once) if once else None
            if replay is not None:
                return replay
            drafts, existing = await find_existing(connection, drafts, actor)
        if any(draft.patch is not None for draft in drafts):
            # Locked until the end: what is patched is what is there.
            keys_to_patch = sorted({draft.key for draft in drafts if draft.patch is not None})
            standing = await load_for_write(
                connection, WriteRequest(actor.facility, update=keys_to_patch, once=once)
            )
            if standing.replay is not None:
                return standing.replay
            # What a patch makes of a Binary is no better than what is sent.
            drafts = with_all_bytes(await run_aside(size, patched, drafts, standing.documents))
        wanted = [draft for draft in drafts if draft.key not in existing]
        asked = await run_aside(size, what_to_load, wanted, actor, base, once)
        loaded = await load_for_write(connection, asked)
        if loaded.replay is not None:
            return loaded.replay
        workspace = write.workspace(loaded, wanted)
        await check_attached(connection, base, wanted)
        keys = await run_aside(size, plan_drafts, workspace, wanted)
        await check_unneeded(connection, workspace, wanted)
        await check_summaries(connection, workspace, wanted)
        await tell_of_visits(connection, workspace, wanted)
        changes, written = await run_aside(size, write.finish, workspace, drafts, keys, existing)
        if follow is not None:
            await _leave(connection, changes)
            await keep_attached(connection, workspace, wanted)
            await follow(store.within(connection), written)
            changes, wanted = ChangeSet(), []
        answer = await run_aside(size, write.answer, changes, written)
        await _leave(connection, changes)
        await keep_attached(connection, workspace, wanted)
    return answer


def _tell_kinds(changes: ChangeSet, workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Tell the history what was made under an id of the client's, and what is there again."""
    put = {draft.key for draft in drafts if not draft.is_create}
    for document in changes.documents:
        key = (document["type"], document["id"])
        if workspace.tombstone(key) is not None:
            document["kind"] = "restore"
        elif document["version"] == 1 and key in put:
            document["kind"] = "put"


async def _leave(connection: Connection, changes: ChangeSet) -> None:
    if changes.documents or changes.audits or changes.replay:
        await apply_changes(connection, changes)


@dataclass(frozen=True, slots=True)
class _Write:
    """What is the same for all that one request writes; see `write_resources`."""

    actor: Actor
    base: str
    now: datetime
    new_id: Callable[[], str]
    request_id: str | None
    render: Callable[[list[Written]], Answer]
    once: Once | None
    address: str | None
    rules: RulesOf
    snapshot: Snapshot | None

    def workspace(self, loaded: Loaded, drafts: Sequence[Draft]) -> Workspace:
        """The room in which the drafts are decided."""
        return Workspace(
            self.actor,
            loaded.not_before(self.now),
            self.request_id,
            self.base,
            self.new_id,
            loaded,
            self.address,
            clock=self.now,
            rules=self.rules,
            brought=_brought(drafts),
            snapshot=self.snapshot,
        )

    def decide(self, drafts: Sequence[Draft], loaded: Loaded) -> tuple[ChangeSet, Answer]:
        """What is to be written and answered, of drafts that need nothing else. Raises any DomainError."""
        workspace = self.workspace(loaded, drafts)
        changes, written = self.finish(workspace, drafts, plan_drafts(workspace, drafts), {})
        return changes, self.answer(changes, written)

    def finish(
        self,
        workspace: Workspace,
        drafts: Sequence[Draft],
        keys: Mapping[Key, Key],
        existing: Mapping[Key, Written],
    ) -> tuple[ChangeSet, list[Written]]:
        """What is to be written of drafts that are decided, and what became of all; `existing` were there."""
        for match in existing.values():
            workspace.audit("read", (match.type, match.id), match.version)
        changes = workspace.finish()
        _tell_kinds(changes, workspace, drafts)
        return changes, [existing.get(draft.key) or workspace.written(keys[draft.key]) for draft in drafts]

    def answer(self, changes: ChangeSet, written: list[Written]) -> Answer:
        """The answer, which is kept with the changes."""
        answer = self.render(written)
        if self.once is not None:
            changes.replay.append(self.once.kept(self.actor.facility, answer))
        return answer


def _needs_more(draft: Draft, base: str) -> bool:
    """Whether it takes more than load and apply, or holds what others wait for: then it is written alone."""
    return (
        draft.condition is not None
        or bool(draft.named)
        or draft.patch is not None
        or draft.is_delete
        or draft.type == BINARY
        or draft.type in DIRECTORY
        or any(attached(draft.type, draft.content, base))
        # Of these the store is asked what rests on them.
        or (not draft.is_create and draft.type in {"Appointment", *SUMMARY_TYPES})
        or (not draft.is_create and draft.content.get("status") in _ENDS.get(draft.type, ()))
    )


def _brought(drafts: Sequence[Draft]) -> dict[tuple[str, str], Key]:
    """What the drafts are by their business identifiers, where one of them alone has it."""
    found: dict[tuple[str, str], set[Key]] = {}
    for draft in drafts if len(drafts) > 1 else ():
        if draft.type in NAMED_BY_IDENTIFIER:
            for identifier in draft.content.get("identifier", ()):
                if "value" in identifier:
                    name = (str(identifier.get("system", "")), str(identifier["value"]))
                    found.setdefault(name, set()).add(draft.key)
    return {name: keys.pop() for name, keys in found.items() if len(keys) == 1}


def _check_scope(actor: Actor, draft: Draft) -> None:
    if draft.is_delete:
        wanted = Interaction.DELETE
        check_deletable(draft.type)
    else:
        wanted = Interaction.CREATE if draft.is_create else Interaction.UPDATE
    check_scope(actor.scope, draft.type, wanted)
    if draft.condition is not None:
        check_search(actor.scope, draft.condition)
    for _, query in draft.named:
        check_search(actor.scope, query)
