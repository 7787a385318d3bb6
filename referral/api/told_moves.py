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
from referral.fhir.provenance import move_number, move_provenance
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
    number = move_number(name) if resource_type == PROVENANCE else None
    told = None if number is None else await told_move(services.store, facility, number)
    return None if told is None else StoredResource(1, told.at, False, _rendered(told))


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
    brought = tuple(FoundResource(PROVENANCE, f"move-{one.seq}", _rendered(one)) for one in told)
    return replace(page, included=(*page.included, *brought))


@dataclass(frozen=True, slots=True)
class _Item:
    found: FoundResource
    value: datetime | None
    """What is sorted by; None: it has none, or it is the id."""


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
        item, rows = _read(
            services.fhir_base, sort, FoundResource(PROVENANCE, f"move-{told.seq}", _rendered(told))
        )
        if all(meets(each, rows, item.found.id, told.at) for each in query.criteria):
            moves.append(item)
    total = None if page.total is None else page.total + len(moves)
    if query.count == 0:
        return replace(page, total=total)
    stored = [_read(services.fhir_base, sort, found)[0] for found in page.matches]
    merged = _in_order([*stored, *(item for item in moves if _is_after(item, sort, query.cursor))], sort)
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


def _rendered(told: ToldMove) -> str:
    made = move_provenance(
        told.seq,
        told.at,
        moved=(told.type, told.id, told.version),
        referral=told.referral,
        move=told.move,
        party=told.party,
        facility=told.facility,
        reason=(told.reason_code, told.reason_text),
    )
    return write_content(made).decode()


def _read(base: str, sort: SortKey, found: FoundResource) -> tuple[_Item, IndexRows]:
    content: dict[str, Any] = reread_content(found.content.encode())
    rows = index_rows(PROVENANCE, content, base=base)
    value = None
    if sort.param == "_lastUpdated":
        value = datetime.fromisoformat(content["meta"]["lastUpdated"])
    elif sort.param != "_id":
        spans = [(low, high) for name, low, high in rows.dates if name == sort.param]
        if spans:
            value = max(high for _, high in spans) if sort.descending else min(low for low, _ in spans)
    return _Item(found, value), rows


def _in_order(items: list[_Item], sort: SortKey) -> list[_Item]:
    """Ties go by id, ascending; what has no value comes last."""
    by_id = sorted(items, key=lambda item: item.found.id, reverse=sort.param == "_id" and sort.descending)
    if sort.param == "_id":
        return by_id
    return [*_valued(by_id, descending=sort.descending), *(item for item in by_id if item.value is None)]


def _valued(items: list[_Item], *, descending: bool) -> Iterator[_Item]:
    pairs = [(item.value, item) for item in items if item.value is not None]
    yield from (item for _, item in sorted(pairs, key=lambda pair: pair[0], reverse=descending))


def _is_after(item: _Item, sort: SortKey, cursor: Cursor | None) -> bool:
    """Whether it comes after the last match of the page before."""
    if cursor is None:
        return True
    if sort.param == "_id":
        return item.found.id < cursor.id if sort.descending else item.found.id > cursor.id
    if not isinstance(cursor.value, datetime) or item.value is None:
        # Moves have what is sorted by: they come before all that has not.
        return False
    if item.value == cursor.value:
        return item.found.id > cursor.id
    return item.value < cursor.value if sort.descending else item.value > cursor.value
