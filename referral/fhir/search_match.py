"""Whether a resource meets a criterion, by its index rows in memory: as the store does by its tables."""

from datetime import datetime
from typing import Any, Final

from referral.domain.search import (
    STRING_SEPARATOR,
    Criterion,
    DateCriterion,
    IdCriterion,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    Prefix,
    ReferenceCriterion,
    StringCriterion,
    StringMode,
    TokenCriterion,
    UriCriterion,
)
from referral.fhir.search_index import IndexRows

_ROWS: Final = {
    Kind.TOKEN: "tokens",
    Kind.URI: "tokens",
    Kind.REFERENCE: "references",
    Kind.DATE: "dates",
    Kind.STRING: "strings",
}


def meets(criterion: Criterion, rows: IndexRows, resource_id: str, updated: datetime) -> bool:
    """Readings of `domain/search.py`. Places, quantities and chains nothing meets: definitions have none."""
    match criterion:
        case IdCriterion(ids):
            met = resource_id in ids
        case LastUpdatedCriterion(ranges):
            met = any(low <= updated < high for low, high in ranges)
        case MissingCriterion(param, Kind.REFERENCE, missing, target):
            met = missing != any(row[0] == param and target in {None, row[1]} for row in rows.references)
        case MissingCriterion(param, kind, missing):
            met = missing != any(row[0] == param for row in getattr(rows, _ROWS[kind]))
        case TokenCriterion(param, wanted, negated):
            met = negated != any(
                _equals(row[1:], each) for row in rows.tokens if row[0] == param for each in wanted
            )
        case ReferenceCriterion(param, wanted):
            met = any(_equals(row[1:], each) for row in rows.references if row[0] == param for each in wanted)
        case UriCriterion(param, starts):
            met = any(code.startswith(starts) for name, _, code in rows.tokens if name == param)
        case StringCriterion(param, texts, mode):
            met = any(
                _reads(key, each, mode) for name, key in rows.strings if name == param for each in texts
            )
        case DateCriterion(param, comparisons):
            found = [(low, high) for name, low, high in rows.dates if name == param]
            met = any(_compares(low, high, *each) for low, high in found for each in comparisons)
        case _:
            met = False
    return met


def _equals(row: tuple[Any, ...], wanted: tuple[str | None, str | None]) -> bool:
    return all(value in {None, part} for part, value in zip(row, wanted, strict=True))


def _reads(key: str, wanted: str, mode: StringMode) -> bool:
    match mode:
        case StringMode.PREFIX:
            return key.startswith(wanted)
        case StringMode.EXACT:
            return key == wanted
        case StringMode.CONTAINS:
            return wanted in key.partition(STRING_SEPARATOR)[0]


def _compares(low: datetime, high: datetime, prefix: Prefix, start: datetime, end: datetime) -> bool:
    readings = {
        Prefix.EQ: low >= start and high <= end,
        Prefix.NE: low < start or high > end,
        Prefix.GT: high > end,
        Prefix.LT: low < start,
        Prefix.GE: low >= start or high > end,
        Prefix.LE: low < start or high <= end,
        Prefix.SA: low >= end,
        Prefix.EB: high <= start,
        Prefix.AP: low < end and high > start,
    }
    return readings[prefix]
