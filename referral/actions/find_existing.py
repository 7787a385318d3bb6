"""Conditional create: what is there already is not made again. https://hl7.org/fhir/R4/http.html#ccreate"""

from collections.abc import Sequence
from typing import Final

from referral.actions.draft import Draft, Written, standing
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, InvalidElement, SeveralMatches
from referral.domain.search import SearchQuery
from referral.fhir.bundle import resolve_references
from referral.store.change_set import Key
from referral.store.pool import Connection
from referral.store.replay import lock_names
from referral.store.search import search_documents

# Each is a search of its own.
_MOST_CONDITIONS: Final = 100


async def find_existing(connection: Connection, drafts: Sequence[Draft], actor: Actor) -> dict[Key, Written]:
    """The one resource that meets a draft's condition, for each draft that has one which is met.

    Whoever asks the same for the same facility waits until this transaction ends. What the other drafts
    refer to is then the resource that is there. Raises SeveralMatches, BrokenRule for too many conditions,
    InvalidElement when two drafts are the same resource.
    """
    conditions = [(draft, draft.condition) for draft in drafts if draft.condition is not None]
    if len(conditions) > _MOST_CONDITIONS:
        raise BrokenRule(f"A transaction has at most {_MOST_CONDITIONS} conditions.")
    names = [_name(query, actor) for _, query in conditions]
    await lock_names(connection, names)
    taken = {draft.key for draft in drafts}
    found: dict[Key, Written] = {}
    for place, (draft, query) in enumerate(conditions):
        with draft.placed():
            match = await _one_match(connection, query, actor)
            if names[place] in names[:place] or (match is not None and (match.type, match.id) in taken):
                raise InvalidElement("A transaction writes a resource once.")
            if match is not None:
                taken.add((match.type, match.id))
                found[draft.key] = match
    moved = {f"{type_}/{id_}": f"{match.type}/{match.id}" for (type_, id_), match in found.items()}
    for draft in drafts if moved else ():
        resolve_references(draft.content, moved)
    return found


def _name(query: SearchQuery, actor: Actor) -> str:
    """The condition as everybody of the facility would say it, however it was written."""
    return "\n".join((actor.facility, query.resource_type, *sorted(map(repr, query.criteria))))


async def _one_match(connection: Connection, query: SearchQuery, actor: Actor) -> Written | None:
    page = await search_documents(connection, actor.facility, query, include_types=())
    if len(page.matches) > 1:
        raise SeveralMatches("More than one resource meets the condition: say more in it.")
    for match in page.matches:
        return standing((match.type, match.id), match.content.encode())
    return None
