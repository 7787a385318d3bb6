"""What the service publishes of itself, and how it is searched: its package and its search parameters.

https://hl7.org/fhir/R4/conformance-module.html. All of it stands in memory: nobody writes it, and it changes
with the software alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from referral.domain.errors import InvalidElement
from referral.domain.search import Cursor, Kind, SearchQuery, SortKey
from referral.fhir.content import write_content
from referral.fhir.profiles import artefact, artefacts
from referral.fhir.search_index import IndexRows, index_rows
from referral.fhir.search_match import meets
from referral.fhir.search_parameters import search_parameters

_Value = str | datetime | None


class Definition(NamedTuple):
    """content: JSON text. rows: those by which it is found. published: when this edition was made."""

    id: str
    content: str
    rows: IndexRows
    published: datetime


@dataclass(frozen=True, slots=True)
class DefinitionPage:
    """A page of a search. next: None on the last. total: of all pages."""

    found: tuple[Definition, ...]
    next: Cursor | None
    total: int


def find_definition(resource_type: str, name: str, base: str) -> Definition | None:
    """The one with that id. base: address of our FHIR endpoint."""
    return next((each for each in _definitions(resource_type, base) if each.id == name), None)


def find_definitions(query: SearchQuery, base: str) -> DefinitionPage:
    """The page that a search asks for. Raises InvalidElement for a cursor that names none of them."""
    found = [
        each
        for each in _definitions(query.resource_type, base)
        if all(meets(criterion, each.rows, each.id, each.published) for criterion in query.criteria)
    ]
    ordered = _ordered(found, query.sort)
    start = 0
    if query.cursor is not None:
        ids = [each.id for each in ordered]
        if query.cursor.id not in ids:
            raise InvalidElement("Parameter _cursor: it is not from a next link of this search.")
        start = ids.index(query.cursor.id) + 1
    page = tuple(ordered[start : start + query.count])
    following = None
    if page and start + query.count < len(ordered):
        following = Cursor(_value(page[-1], query.sort), page[-1].id)
    return DefinitionPage(page, following, len(ordered))


@cache
def _definitions(resource_type: str, base: str) -> tuple[Definition, ...]:
    """In the order of their ids. base: of references that are ours."""
    statement = artefact("CapabilityStatement", "referral")
    published = datetime.fromisoformat(statement["date"]).astimezone(UTC)
    moment = published.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    contents = [each for each in artefacts().values() if each["resourceType"] == resource_type]
    if resource_type == "SearchParameter":
        told = {(kind, each["code"]) for each in contents for kind in each["base"]}
        others = search_parameters(statement["version"], statement["date"])
        contents += [each for each in others if (each["base"][0], each["code"]) not in told]
    made = []
    for each in contents:
        first = {"resourceType": resource_type, "id": each["id"]}
        content = first | {"meta": each.get("meta", {}) | {"lastUpdated": moment}} | _rest(each)
        rows = index_rows(resource_type, content, base=base)
        made.append(Definition(each["id"], write_content(content).decode(), rows, published))
    return tuple(sorted(made, key=lambda one: one.id))


def _rest(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in {"resourceType", "id", "meta"}}


def _ordered(found: Sequence[Definition], sort: SortKey) -> list[Definition]:
    """Ties by id; what has no value comes last."""
    if sort.param == "_id":
        return list(found[::-1] if sort.descending else found)
    # Sorting keeps the order of what is equal, also backwards.
    having = [each for each in found if _value(each, sort) is not None]
    having.sort(key=lambda each: _value(each, sort) or "", reverse=sort.descending)
    return having + [each for each in found if _value(each, sort) is None]


def _value(definition: Definition, sort: SortKey) -> _Value:
    """What it is sorted by: of several the first in that order."""
    if sort.param == "_id":
        return None
    if sort.param == "_lastUpdated":
        return definition.published
    name, rows = sort.rows or sort.param, definition.rows
    values: list[Any]
    match sort.kind:
        case Kind.DATE:
            values = [high if sort.descending else low for param, low, high in rows.dates if param == name]
        case Kind.STRING:
            values = [key for param, key in rows.strings if param == name]
        case Kind.REFERENCE:
            values = [target for param, _, target in rows.references if param == name]
        case _:
            values = [code for param, _, code in rows.tokens if param == name]
    first: _Value = None
    if values:
        first = max(values) if sort.descending else min(values)
    return first
