"""Conditions of writes, and references by search: what they mean, before anything is decided.

https://hl7.org/fhir/R4/http.html#ccreate, #cond-update and #cdelete; https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from referral.actions.draft import ABSENT, Draft, Written, standing
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, InvalidElement, NotFound, SeveralMatches, StaleVersion
from referral.domain.scope import Interaction, check_scope
from referral.domain.search import SearchQuery
from referral.fhir.bundle import resolve_patch, resolve_references
from referral.store.change_set import Key
from referral.store.pool import Connection
from referral.store.replay import lock_names
from referral.store.search import search_documents

# Each is a search of its own.
_MOST_CONDITIONS: Final = 100


async def find_existing(
    connection: Connection, drafts: Sequence[Draft], actor: Actor
) -> tuple[list[Draft], dict[Key, Written]]:
    """The drafts with what their conditions mean, and what answers those of them that have nothing to do.

    A create whose condition is met is answered by what meets it; a delete that means nothing is done. An
    update or a patch is of what meets its condition; an update that nothing meets is a create. Whoever asks
    the same for the same facility waits until this transaction ends. What the drafts refer to by a search,
    or as one of them, is then the resource that is there. Raises SeveralMatches, NotFound, BrokenRule for
    too many conditions, InvalidElement when two drafts are the same resource.
    """
    conditions = [(draft, draft.condition) for draft in drafts if draft.condition is not None]
    named = {text: (draft, query) for draft in drafts for text, query in draft.named}
    if len(conditions) + len(named) > _MOST_CONDITIONS:
        raise BrokenRule(f"A transaction has at most {_MOST_CONDITIONS} conditions.")
    names = [_name(query, actor) for _, query in conditions]
    await lock_names(connection, names)
    taken = {draft.key for draft in drafts if draft.condition is None or draft.is_create}
    meant: dict[Key, Draft] = {}
    found: dict[Key, Written] = {}
    moved: dict[str, str] = {}
    for place, (draft, query) in enumerate(conditions):
        with draft.placed():
            match = await _one_match(connection, query, actor)
            if names[place] in names[:place] or (match is not None and (match.type, match.id) in taken):
                raise InvalidElement("A transaction writes a resource once.")
            if match is not None:
                taken.add((match.type, match.id))
                moved["/".join(draft.key)] = f"{match.type}/{match.id}"
            if draft.is_create and match is not None:
                found[draft.key] = match
            elif not draft.is_create:
                meant[draft.key] = _meant(draft, match, actor)
    for text, (draft, query) in named.items():
        with draft.placed():
            match = await _one_match(connection, query, actor)
            if match is None:
                raise BrokenRule("A reference by search names nothing that is known to you here.")
            moved[text] = f"{match.type}/{match.id}"
    if moved:
        for draft in drafts:
            resolve_references(draft.content, moved.get)
    return [_with_patch(meant.get(draft.key, draft), moved) for draft in drafts], found


def _with_patch(draft: Draft, moved: dict[str, str]) -> Draft:
    if draft.patch is None:
        return draft
    return replace(draft, patch=tuple(resolve_patch(draft.patch, moved.get)))


def _meant(draft: Draft, match: Written | None, actor: Actor) -> Draft:
    """What an update, a patch or a delete is of, by what meets its condition."""
    if match is not None:
        named = draft.content.get("id", match.id)
        if named != match.id:
            raise InvalidElement(
                "The id of the body is not that of what meets the condition.", draft.at("id")
            )
        content = draft.content | {"id": match.id} if draft.content else draft.content
        return replace(draft, id=match.id, content=content, condition=None, met=match.version)
    if draft.is_delete:
        # Of nothing: as good as done.
        return replace(draft, id="", condition=None)
    if draft.patch is not None:
        raise NotFound("Nothing that you see meets the condition.")
    if draft.expected not in {None, ABSENT}:
        raise StaleVersion("If-Match names a version, and nothing that you see meets the condition.")
    check_scope(actor.scope, draft.type, Interaction.CREATE)
    return replace(draft, is_create="id" not in draft.content, condition=None)


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
