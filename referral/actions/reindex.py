"""Build the index rows of all documents again, in batches, while the service runs.

For after an upgrade that finds more than the version before wrote rows for. What a reference by an identifier
has stood for it still stands for; one that no row knew yet stands for what the document's own facility sees
under that identifier.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.index_document import index_document
from referral.actions.what_to_load import what_to_load
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.facility import FacilityId
from referral.domain.scope import Scopes
from referral.fhir.content import reread_content
from referral.fhir.references import Key
from referral.store.change_set import ChangeSet, WriteRequest, load_for_write
from referral.store.owner import OwnerConnection
from referral.store.reindex import IndexedDocument, begin, next_keys, read_documents, write_index

BATCH: Final = 200
"""Documents of one transaction: who writes one of them waits as long as that takes."""

_PAUSE_SECONDS: Final = 0.05  # until documents that others held are tried again


async def reindex(
    connection: OwnerConnection,
    *,
    base: str,
    now: datetime,
    tell: Callable[[int, int], None],
    batch: int = BATCH,
) -> int:
    """Index every document; their number.

    base: address of the FHIR endpoint, as the service has it. tell: called after each batch with how many are
    done and how many there are, about. Documents that are made meanwhile have their rows from who makes them.
    """
    total, done = await begin(connection), 0
    after, held = ("", ""), list[Key]()
    while keys := await next_keys(connection, after, batch):
        missed = await _index(connection, keys, base, now)
        held += missed
        after, done = keys[-1], done + len(keys) - len(missed)
        tell(done, max(done, total))
    while held:
        await asyncio.sleep(_PAUSE_SECONDS)
        missed = await _index(connection, held[:batch], base, now)
        done += len(held[:batch]) - len(missed)
        held = held[batch:] + missed
        tell(done, max(done, total))
    return done


async def _index(connection: OwnerConnection, keys: Sequence[Key], base: str, now: datetime) -> list[Key]:
    """Index these documents; those that others held or changed meanwhile."""
    documents = {found.key: found for found in await read_documents(connection, keys)}
    rows = {}
    for key, document in documents.items():
        content = reread_content(document.content)
        rows[key] = ChangeSet()
        index_document(
            rows[key],
            key,
            content,
            base=base,
            resolved=await _resolved(connection, document, content, base, now),
            parties=document.parties,
            is_deleted=document.deleted,
        )
    done = await write_index(connection, documents, rows)
    return sorted(documents.keys() - done)


async def _resolved(
    connection: OwnerConnection, document: IndexedDocument, content: dict[str, Any], base: str, now: datetime
) -> Mapping[tuple[str, str], Key]:
    """What the identifiers in the references of a document stand for."""
    actor = Actor(FacilityId(document.owner), "", Scopes(frozenset()))
    named = what_to_load([Draft(*document.key, content, is_create=True)], actor, base, None).identifiers
    asked = [each for each in named if each[1:] not in document.resolved]
    if document.deleted or not asked:
        return document.resolved
    async with connection.transaction():
        await connection.execute("SELECT set_config('referral.actor', $1, true)", document.owner)
        loaded = await load_for_write(connection, WriteRequest(document.owner, identifiers=asked))
    room = Workspace(actor, now, None, base, str, loaded)
    known = {name: key for name in loaded.identifiers if (key := room.resolve(*name))}
    return {**known, **document.resolved}
