"""The moves of referrals and offers among the Provenances that clients wrote: rendered as they are asked for.

https://hl7.org/fhir/R4/provenance.html; they are found by what they are about (`target`), and nothing else
finds them alone.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from referral.api.services import Services
from referral.domain.search import Cursor, Kind, ReferenceCriterion, SearchQuery, SortKey
from referral.fhir.content import reread_content, write_content
from referral.fhir.provenance import PREFIX, move_id, move_number, move_provenance
from referral.fhir.search_index import IndexRows, index_rows
from referral.fhir.search_match import meets
from referral.store.document import StoredResource
from referral.store.search import FoundResource, SearchPage
from referral.store.told_moves import ToldMove, told_move, told_moves

PROVENANCE: Final = "Provenance"
_TARGET: Final = "target"
_MOVED: Final = ("ServiceRequest", "Task")


async def read_move(
    services: Services, facility: str, resource_type: str, name: str
) -> StoredResource | None:
    """The Provenance of a move that the facility sees; None for anything else."""
    number = move_number(services.store.id_key, name) if resource_type == PROVENANCE else None
    told = None if number is None else await told_move(services.store, facility, number)
    return None if told is None else StoredResource(1, told.at, False, _rendered(services, told).content)


async def with_moves(
    services: Services, facility: str, query: SearchQuery, page: SearchPage, types: Collection[str]
) -> SearchPage:
    """A page with the moves that belong to it. types: what the caller may read."""
    if query.resource_type == PROVENANCE:
        return await _merged(services, facility, query, page)
    follows = any(
        each.source == PROVENANCE and each.param == _TARGET and each.target in {None, query.resource_type}
        for each in query.revincludes
    )
    if not follows or PROVENANCE not in types or query.resource_type not in _MOVED or not page.matches:
        return page
    told = await _told(services, facility, [(query.resource_type, found.id) for found in page.matches])
    return replace(page, included=(*page.included, *(_rendered(services, one) for one in told)))


@dataclass(frozen=True, slots=True)
class _Item:
    found: FoundResource
    value: datetime | None
    """What is sorted by; None: it has none, or it is the id."""
    place: str


async def _merged(services: Services, facility: str, query: SearchQuery, page: SearchPage) -> SearchPage:
    """The stored matches and the moves in one order, and as many as were asked for."""
    targets = [
        value
        for each in query.criteria
        if isinstance(each, ReferenceCriterion) and each.param == _TARGET
        for value in each.values
        if value[0] in {None, *_MOVED}
    ]
    sort = query.sort
    if not targets or (sort.param not in {"_id", "_lastUpdated"} and sort.kind is not Kind.DATE):
        return page
    moves = []
    for told in await _told(services, facility, targets):
        item, rows = _read(services, sort, _rendered(services, told))
        if all(meets(each, rows, item.found.id, told.at) for each in query.criteria):
            moves.append(item)
    total = None if page.total is None else page.total + len(moves)
    if query.count == 0:
        return replace(page, total=total)
    stored = [_read(services, sort, found)[0] for found in page.matches]
    left = [item for item in moves if _is_after(services, item, sort, query.cursor)]
    merged = _in_order([*stored, *left], sort)
    shown = merged[: query.count]
    more = len(merged) > query.count or page.next is not None
    following = Cursor(shown[-1].value, shown[-1].found.id) if more else None
    return replace(page, matches=tuple(item.found for item in shown), next=following, total=total)


async def _told(
    services: Services, facility: str, targets: Collection[tuple[str | None, str]]
) -> list[ToldMove]:
    return await told_moves(
        services.store,
        facility,
        referrals=[name for kind, name in targets if kind in {None, "ServiceRequest"}],
        offers=[name for kind, name in targets if kind in {None, "Task"}],
    )


def _rendered(services: Services, told: ToldMove) -> FoundResource:
    name = move_id(services.store.id_key, told.seq)
    made = move_provenance(
        name,
        told.at,
        moved=(told.type, told.id, told.version),
        referral=told.referral,
        move=told.move,
        party=told.party,
        facility=told.facility,
        reason=(told.reason_code, told.reason_text),
    )
    return FoundResource(PROVENANCE, name, write_content(made).decode())


def _place(services: Services, name: str) -> str:
    """What is sorted by where all else is equal: the id, but of moves in their order.

    Their ids begin alike, and no other does: so among other ids they stand as these do.
    """
    number = move_number(services.store.id_key, name)
    return name if number is None else f"{PREFIX}{number:020}"


def _read(services: Services, sort: SortKey, found: FoundResource) -> tuple[_Item, IndexRows]:
    content: dict[str, Any] = reread_content(found.content.encode())
    rows = index_rows(PROVENANCE, content, base=services.fhir_base)
    value = None
    if sort.param == "_lastUpdated":
        value = datetime.fromisoformat(content["meta"]["lastUpdated"])
    elif sort.param != "_id":
        spans = [(low, high) for name, low, high in rows.dates if name == sort.param]
        if spans:
            value = max(high for _, high in spans) if sort.descending else min(low for low, _ in spans)
    return _Item(found, value, _place(services, found.id)), rows


def _in_order(items: list[_Item], sort: SortKey) -> list[_Item]:
    """Ties go by their place, ascending; what has no value comes last."""
    if sort.param == "_id":
        return sorted(items, key=lambda item: item.found.id, reverse=sort.descending)
    placed = sorted(items, key=lambda item: item.place)
    return [*_valued(placed, descending=sort.descending), *(item for item in placed if item.value is None)]


def _valued(items: list[_Item], *, descending: bool) -> Iterator[_Item]:
    pairs = [(item.value, item) for item in items if item.value is not None]
    yield from (item for _, item in sorted(pairs, key=lambda pair: pair[0], reverse=descending))


def _is_after(services: Services, item: _Item, sort: SortKey, cursor: Cursor | None) -> bool:
    """Whether it comes after the last match of the page before."""
    if cursor is None:
        return True
    if sort.param == "_id":
        return item.found.id < cursor.id if sort.descending else item.found.id > cursor.id
    if not isinstance(cursor.value, datetime) or item.value is None:
        # Moves have what is sorted by: they come before all that has not.
        return False
    if item.value == cursor.value:
        return item.place > _place(services, cursor.id)
    return item.value < cursor.value if sort.descending else item.value > cursor.value
