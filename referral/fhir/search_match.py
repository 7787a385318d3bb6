"""Whether a resource that is not stored meets a search: criteria held against its index rows.

The same readings as the statements of the store have (`store/search_conditions.py`), for what the hub
renders: it has tokens, references and dates. What asks for more is met by nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from referral.domain.search import (
    Criterion,
    DateCriterion,
    IdCriterion,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    Prefix,
    ReferenceCriterion,
    TokenCriterion,
)
from referral.fhir.search_index import IndexRows

Rows = tuple[str, datetime, IndexRows]
"""Id, moment of the last change and index rows of a resource."""


def meets(criterion: Criterion, resource: Rows) -> bool:
    """Whether a resource meets the criterion."""
    reading = _READINGS.get(type(criterion))
    return reading is not None and reading(criterion, resource)


def _token(criterion: TokenCriterion, resource: Rows) -> bool:
    found = any(
        name == criterion.param and system in {None, its} and code in {None, value}
        for name, its, value in resource[2].tokens
        for system, code in criterion.values
    )
    return found is not criterion.negated


def _reference(criterion: ReferenceCriterion, resource: Rows) -> bool:
    return any(
        name == criterion.param and kind in {None, its} and target == value
        for name, its, value in resource[2].references
        for kind, target in criterion.values
    )


def _date(criterion: DateCriterion, resource: Rows) -> bool:
    return any(
        name == criterion.param and _holds(prefix, (low, high), (start, end))
        for name, low, high in resource[2].dates
        for prefix, start, end in criterion.comparisons
    )


def _holds(prefix: Prefix, row: tuple[datetime, datetime], value: tuple[datetime, datetime]) -> bool:
    """Both from the first (within) to the second (without)."""
    (low, high), (start, end) = row, value
    return {
        Prefix.EQ: low >= start and high <= end,
        Prefix.NE: low < start or high > end,
        Prefix.GT: high > end,
        Prefix.LT: low < start,
        Prefix.GE: low >= start or high > end,
        Prefix.LE: low < start or high <= end,
        Prefix.SA: low >= end,
        Prefix.EB: high <= start,
        Prefix.AP: low < end and high > start,
    }[prefix]


def _missing(criterion: MissingCriterion, resource: Rows) -> bool:
    _, _, rows = resource
    match criterion.kind:
        case Kind.REFERENCE:
            named = {name for name, its, _ in rows.references if criterion.target_type in {None, its}}
        case Kind.DATE:
            named = {name for name, _, _ in rows.dates}
        case _:
            named = {name for name, _, _ in rows.tokens}
    return (criterion.param in named) is not criterion.missing


def _id(criterion: IdCriterion, resource: Rows) -> bool:
    return resource[0] in criterion.ids


def _last_updated(criterion: LastUpdatedCriterion, resource: Rows) -> bool:
    return any(since <= resource[1] < until for since, until in criterion.ranges)


_READINGS: Final[Mapping[type, Callable[[Any, Rows], bool]]] = {
    TokenCriterion: _token,
    ReferenceCriterion: _reference,
    DateCriterion: _date,
    MissingCriterion: _missing,
    IdCriterion: _id,
    LastUpdatedCriterion: _last_updated,
}
