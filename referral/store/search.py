"""Searches: one statement for a page, one for what its matches bring along, one for their number when asked.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import asyncpg

from referral.domain.errors import InvalidElement
from referral.domain.search import (
    OWED_OF_OFFER,
    OWED_OF_REFERRAL,
    Cursor,
    Kind,
    Owed,
    SearchQuery,
    SortKey,
    Total,
)
from referral.store.document import read_versions
from referral.store.pool import Connection, Store
from referral.store.search_conditions import Bind, condition
from referral.store.statements import statement
from referral.store.version_cache import VersionCache
from referral.store.visibility import visible
from referral.store.worklist import OwedList, Worklist, page_values

MOST_INCLUDED: Final = 1000


class FoundResource(NamedTuple):
    """A resource in an answer; `content` is JSON text."""

    type: str
    id: str
    content: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page: `next` is where the following one begins, None on the last; `total` only when asked for."""

    matches: tuple[FoundResource, ...]
    included: tuple[FoundResource, ...]
    next: Cursor | None
    total: int | None


@dataclass(frozen=True, slots=True)
class WorkPage:
    """One page of a worklist: resources as `read_versions` gives them. `next` as of a SearchPage."""

    matches: list[bytes]
    included: list[bytes]
    next: Cursor | None


class _Values(list[object]):
    """The bind parameters of a statement."""

    def bind(self, value: object) -> str:
        self.append(value)
        return f"${len(self)}"


async def search_as(
    store: Store,
    versions: VersionCache,
    visible_to: str,
    query: SearchQuery,
    *,
    include_types: Collection[str],
) -> SearchPage | WorkPage:
    """The answer of `search_documents`, on a connection of its own.

    A plain worklist is one message, and another for what of it is not in `versions`.
    """
    asked = page_values(query, include_types, MOST_INCLUDED + 1)
    if asked is None:
        async with store.reading(visible_to) as connection:
            return await search_documents(connection, visible_to, query, include_types=include_types)
    (row,) = await store.fetch_all_as(visible_to, statement("search", "open_work"), *asked)
    matches, along = row["matches"] or [], row["along"] or []
    if len(along) > MOST_INCLUDED:
        raise _too_many()
    found = await read_versions(store, versions, visible_to, (*matches, *along))
    shown, brought = ([found[key] for key in keys if key in found] for keys in (matches, along))
    following = Cursor(row["last_at"], matches[-1].split("/")[1]) if row["more"] else None
    return WorkPage(shown, brought, following)


async def search_documents(
    connection: Connection, visible_to: str, query: SearchQuery, *, include_types: Collection[str]
) -> SearchPage:
    """What the facility `visible_to` sees of the answer.

    include_types: the types that `_include` and `_revinclude` may bring. What they name and the facility does
    not see is left out. Raises InvalidElement when one page would bring more than MOST_INCLUDED of them.
    """
    total = None
    if query.count == 0 or query.total in (Total.ACCURATE, Total.ESTIMATE):
        sql, values = count_statement(visible_to, query)
        total = await connection.fetchval(sql, *values)
    if query.count == 0:
        return SearchPage((), (), None, total)
    sql, values = page_statement(visible_to, query)
    rows = await connection.fetch(sql, *values)
    page = rows[: query.count]
    matches = tuple(FoundResource(query.resource_type, row["id"], row["content"]) for row in page)
    following = _cursor(page[-1]) if len(rows) > query.count else None
    included = await _included(connection, visible_to, query, matches, include_types)
    return SearchPage(matches, included, following, total)


def count_statement(visible_to: str, query: SearchQuery) -> tuple[str, list[object]]:
    """SQL and values of the number of matches."""
    values = _Values([visible_to, query.resource_type])
    return f"SELECT count(*) {_matches(query, _list_of(query), values.bind)}", values


def page_statement(visible_to: str, query: SearchQuery) -> tuple[str, list[object]]:
    """SQL and values of one page and the match after it; columns id, content, sort."""
    values = _Values([visible_to, query.resource_type])
    worklist = _list_of(query)
    order = _Order(query.sort, values.bind, worklist)
    found = _matches(query, worklist, values.bind, order.join)
    if query.cursor is not None:
        found += f" AND ({order.after(query.cursor, values.bind)})"
    sql = (
        f"SELECT d.id, d.content::text AS content, {order.column} AS sort {found}"
        f" ORDER BY {order.terms} LIMIT {values.bind(query.count + 1)}"
    )
    return sql, values


def _list_of(query: SearchQuery) -> Worklist | OwedList | None:
    """The list that is read in the order of an index of its own; None for another search."""
    return OwedList.of(query) or Worklist.of(query)


def _matches(query: SearchQuery, worklist: Worklist | OwedList | None, bind: Bind, join: str = "") -> str:
    """From where, joined with what and under which conditions. Every value is bound."""
    conditions = ["d.type = $2", "NOT d.deleted", visible(query.resource_type)]
    source, criteria = "document d", query.criteria
    if worklist is not None:
        source = worklist.source
        conditions.append(worklist.rows(bind))
        criteria = worklist.others
    conditions += [f"({condition(criterion, bind)})" for criterion in criteria]
    return f"FROM {source} {join} WHERE {' AND '.join(conditions)}"


# Where the values of a kind stand: table, column for an ascending and for a descending order, their type.
_SORTED: Final = {
    Kind.DATE: ("search_date", "low", "high", "timestamptz"),
    Kind.TOKEN: ("search_token", "code", "code", "text"),
    Kind.STRING: ("search_string", "folded", "folded", "text"),
    Kind.REFERENCE: ("search_reference", "target_id", "target_id", "text"),
    Kind.QUANTITY: ("search_quantity", "low", "high", "float8"),
    Kind.URI: ("search_token", "code", "code", "text"),
}


# When the next step is due, by the rows of a sort key.
_OWED_OF: Final = {
    OWED_OF_REFERRAL: "SELECT k.due_at AS value FROM deadline k"
    " WHERE k.referral = d.id AND k.slot = 'step' AND k.done_at IS NULL",
    OWED_OF_OFFER: "SELECT k.due_at AS value FROM offer f JOIN deadline k ON k.referral = f.referral"
    " AND k.offer = f.id WHERE f.id = d.id AND k.slot = 'step' AND k.done_at IS NULL",
}


class _Order:
    """The order of a search as SQL: what it joins, sorts by, and what comes after a cursor."""

    def __init__(self, key: SortKey, bind: Bind, worklist: Worklist | OwedList | None) -> None:
        self.join, self._id, self._cast = "", "d.id", "timestamptz"
        # The row that has the time of the last change.
        row = "w" if isinstance(worklist, Worklist) else "d"
        self._descending = key.descending
        direction = "DESC" if key.descending else "ASC"
        match key.param:
            case "_id":
                # By one column alone: so it is read in the order of the primary key.
                self.column, self.terms = "NULL::timestamptz", f"d.id {direction}"
            case "_lastUpdated":
                self.column = f"{row}.updated_at"
                # The id of the same row: else no index has this order.
                self._id = f"{row}.id"
                self.terms = f"{self.column} {direction}, {self._id}"
            case Owed.DUE if key.rows in _OWED_OF:
                self.column = "k.due_at"
                if not isinstance(worklist, OwedList):
                    self.join = f"LEFT JOIN LATERAL ({_OWED_OF[key.rows]}) AS sorted ON true"
                    self.column = "sorted.value"
                self.terms = f"{self.column} {direction} NULLS LAST, d.id"
            case param:
                table, first, last, self._cast = _SORTED[key.kind]
                outer = f"max(s.{last})" if key.descending else f"min(s.{first})"
                self.join = (
                    f"CROSS JOIN LATERAL (SELECT {outer} AS value FROM {table} s"  # noqa: S608
                    f" WHERE s.type = $2 AND s.id = d.id AND s.param = {bind(key.rows or param)}) AS sorted"
                )
                self.column, self.terms = "sorted.value", f"sorted.value {direction} NULLS LAST, d.id"
        self._by_id = key.param == "_id"
        self._may_lack = bool(self.join) or key.param == Owed.DUE

    def after(self, cursor: Cursor, bind: Bind) -> str:
        """The condition of what comes after the last match of the page before."""
        if self._by_id:
            return f"d.id {'<' if self._descending else '>'} {bind(cursor.id)}"
        following_id = f"{self._id} > {bind(cursor.id)}"
        if cursor.value is None:
            return f"{self.column} IS NULL AND {following_id}"
        value = bind(cursor.value) + ("::text" if self._cast == "float8" else "") + f"::{self._cast}"
        beyond, bound = ("<", "<=") if self._descending else (">", ">=")
        # The bound alone is what an index can begin with.
        later = (
            f"{self.column} {bound} {value} AND ({self.column} {beyond} {value}"
            f" OR {self.column} = {value} AND {following_id})"
        )
        return f"({later}) OR {self.column} IS NULL" if self._may_lack else later


def _cursor(last: asyncpg.Record) -> Cursor:
    value = last["sort"]
    # As text a number keeps its digits.
    return Cursor(repr(value) if isinstance(value, float) else value, last["id"])


async def _included(
    connection: Connection,
    visible_to: str,
    query: SearchQuery,
    matches: tuple[FoundResource, ...],
    types: Collection[str],
) -> tuple[FoundResource, ...]:
    """What the matches bring along; then, once, what that brings along where an inclusion iterates."""
    if not matches or not (query.includes or query.revincludes):
        return ()
    found = {(each.type, each.id): each for each in matches}
    last: Sequence[FoundResource] = matches
    for iterated in (False, True):
        new = []
        for resource_type in sorted({each.type for each in last}):
            outward = [
                each
                for each in query.includes
                if each.source == resource_type and (each.iterate or not iterated)
            ]
            inward = [
                each
                for each in query.revincludes
                if each.target in {None, resource_type} and (each.iterate or not iterated)
            ]
            if not outward and not inward:
                continue
            rows = await connection.fetch(
                statement("search", "included"),
                visible_to,
                resource_type,
                [each.id for each in last if each.type == resource_type],
                [include.param for include in outward],
                [include.target for include in outward],
                [include.source for include in inward],
                [include.param for include in inward],
                list(types),
                MOST_INCLUDED + 1,
            )
            new += [each for each in _brought(rows) if (each.type, each.id) not in found]
            found |= {(each.type, each.id): each for each in new}
        last = new
    included = tuple(found.values())[len(matches) :]
    if len(included) > MOST_INCLUDED:
        raise _too_many()
    return included


def _brought(rows: Sequence[asyncpg.Record]) -> tuple[FoundResource, ...]:
    if len(rows) > MOST_INCLUDED:
        raise _too_many()
    return tuple(FoundResource(*row[:3]) for row in rows)


def _too_many() -> InvalidElement:
    return InvalidElement(
        f"This page brings more than {MOST_INCLUDED} included resources:"
        " ask with a smaller _count, or for what comes along by a search of its own."
    )
