"""Write what a request brings: one resource, or all of a transaction Bundle, in one transaction.

Four messages whatever it is: BEGIN with the actor, load and lock, apply the change set, COMMIT. After the
first comes what a condition needs to be searched for, and what is patched; after the second, what rests on
something that is to be deleted.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import datetime

from referral.actions.attach import check_attached, keep_attached, with_bytes
from referral.actions.check_search import check_search
from referral.actions.check_visit import tell_of_visits
from referral.actions.delete_resource import check_deletable, check_unneeded
from referral.actions.draft import Draft, Written
from referral.actions.find_existing import find_existing
from referral.actions.keep_summary import check_summaries
from referral.actions.patch_resource import patched
from referral.actions.plan_drafts import plan_drafts
from referral.actions.referral_rules import RulesOf, program_rules
from referral.actions.run_aside import LONG, run_aside
from referral.actions.what_to_load import NAMED_BY_IDENTIFIER, what_to_load
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.attachment import AttachmentRules
from referral.domain.scope import Interaction, check_scope
from referral.fhir.references import Key
from referral.network.snapshot import Snapshot
from referral.store.change_set import ChangeSet, WriteRequest, apply_changes, load_for_write
from referral.store.pool import Connection, Store
from referral.store.replay import Answer, Once, find_replay

_ATTACHMENTS = AttachmentRules()

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
    follow: Follow | None = None,
    once: Once | None = None,
    address: str | None = None,
    attachments: AttachmentRules = _ATTACHMENTS,
    rules: RulesOf = program_rules,
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
        at = loaded.not_before(now)
        workspace = Workspace(actor, at, request_id, base, new_id, loaded, address, clock=now, rules=rules)
        workspace.brought, workspace.snapshot = _brought(wanted), snapshot
        await check_attached(connection, base, wanted)
        keys = await run_aside(size, plan_drafts, workspace, wanted)
        await check_unneeded(connection, workspace, wanted)
        await check_summaries(connection, workspace, wanted)
        await tell_of_visits(connection, workspace, wanted)
        for match in existing.values():
            workspace.audit("read", (match.type, match.id), match.version)
        changes = await run_aside(size, workspace.finish)
        _tell_kinds(changes, workspace, wanted)
        written = [existing.get(draft.key) or workspace.written(keys[draft.key]) for draft in drafts]
        if follow is not None:
            await _leave(connection, changes)
            await keep_attached(connection, workspace, wanted)
            await follow(store.within(connection), written)
            changes, wanted = ChangeSet(), []
        answer = await run_aside(size, render, written)
        if once is not None:
            changes.replay = once.kept(answer)
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
