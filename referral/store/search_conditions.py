"""Criteria as SQL conditions on a document: fixed texts, every value of a client a bind parameter.

Values go in as arrays where that is possible, so that searches of one shape are one prepared statement.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, assert_never

from referral.domain.search import (
    STRING_SEPARATOR,
    URI_SYSTEM,
    AnyCriterion,
    ChainCriterion,
    Criterion,
    DateCriterion,
    HasCriterion,
    HubCriterion,
    IdCriterion,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    NearCriterion,
    Owed,
    OwedCriterion,
    Prefix,
    QuantityCriterion,
    ReferenceCriterion,
    StringCriterion,
    StringMode,
    TokenCriterion,
    UriCriterion,
)
from referral.store.visibility import visible

Bind = Callable[[object], str]
"""Takes a value, gives the name of its bind parameter."""


class Document(NamedTuple):
    """The document that a condition is about: its name in the statement, and where its type stands."""

    name: str
    type: str


SEARCHED: Final = Document("d", "$2")
"""The document that is searched for."""
_NOTHING: Final = "false"
_TABLES: Final = {
    Kind.TOKEN: "search_token",
    Kind.REFERENCE: "search_reference",
    Kind.STRING: "search_string",
    Kind.DATE: "search_date",
    Kind.QUANTITY: "search_quantity",
    Kind.URI: "search_token",
    Kind.SPECIAL: "search_position",
}
# The last character there is: what starts with a text sorts before the text with this after it.
_LAST: Final = "\U0010ffff"
# Readings of referral.domain.search.Prefix; from start (within) to end (without) of the value.
_COMPARISONS: Final = {
    Prefix.EQ: "s.low >= {start} AND s.high <= {end}",
    Prefix.NE: "s.low < {start} OR s.high > {end}",
    Prefix.GT: "s.high > {end}",
    Prefix.LT: "s.low < {start}",
    Prefix.GE: "s.low >= {start} OR s.high > {end}",
    Prefix.LE: "s.low < {start} OR s.high <= {end}",
    Prefix.SA: "s.low >= {end}",
    Prefix.EB: "s.high <= {start}",
    Prefix.AP: "s.low < {end} AND s.high > {start}",
}

# Readings of referral.domain.search.QuantityValue.
_MEASURES: Final = {
    Prefix.EQ: "s.low >= {low} AND s.high < {high}",
    Prefix.NE: "s.low < {low} OR s.high >= {high}",
    Prefix.AP: "s.low <= {high} AND s.high >= {low}",
    Prefix.GT: "s.high > {exact}",
    Prefix.GE: "s.high >= {exact}",
    Prefix.SA: "s.low > {exact}",
    Prefix.LT: "s.low < {exact}",
    Prefix.LE: "s.low <= {exact}",
    Prefix.EB: "s.high < {exact}",
}
# Of the mean radius 6371.0088 km (IUGG). A degree is a little short, so that the band is not too narrow.
_EARTH_DIAMETER: Final = 12742.0176
_KILOMETRES_OF_A_DEGREE: Final = 111.19


def condition(criterion: Criterion, bind: Bind, document: Document = SEARCHED) -> str:
    """The condition that a document meets when it meets the criterion."""
    return _CONDITIONS[type(criterion)](criterion, bind, document)


def _chain(criterion: ChainCriterion, bind: Bind, document: Document) -> str:
    """A reference of the document is to one that is seen and meets what it must."""
    param = bind(criterion.param)
    ways = []
    for resource_type, found in criterion.ways:
        target = Document("t", bind(resource_type))
        ways.append(
            f"EXISTS (SELECT FROM search_reference c JOIN document t ON t.id = c.target_id"
            f" WHERE c.type = {document.type} AND c.id = {document.name}.id AND c.param = {param}"
            f" AND c.target_type = {target.type} AND t.type = {target.type} AND NOT t.deleted"
            f" AND {visible(resource_type, 't')} AND ({condition(found, bind, target)}))"
        )
    return _any(ways)


def _has(criterion: HasCriterion, bind: Bind, document: Document) -> str:
    """One that is seen and meets what it must refers to the document."""
    source = Document("t", bind(criterion.source))
    return (
        f"EXISTS (SELECT FROM search_reference c JOIN document t ON t.id = c.id"
        f" WHERE c.type = {source.type} AND c.param = {bind(criterion.param)}"
        f" AND c.target_type = {document.type} AND c.target_id = {document.name}.id"
        f" AND t.type = {source.type} AND NOT t.deleted"
        f" AND {visible(criterion.source, 't')} AND ({condition(criterion.criterion, bind, source)}))"
    )


def _row(document: Document, table: str, param: str, rows: str) -> str:
    narrowed = f" AND {rows}" if rows else ""
    return (
        f"EXISTS (SELECT FROM {table} s"
        f" WHERE s.type = {document.type} AND s.id = {document.name}.id AND s.param = {param}{narrowed})"
    )


def _any(conditions: Iterable[str]) -> str:
    return " OR ".join(f"({each})" for each in conditions) or _NOTHING


def _token(criterion: TokenCriterion, bind: Bind, document: Document) -> str:
    if not criterion.values:
        return f"NOT {_NOTHING}" if criterion.negated else _NOTHING
    rows = _pairs(criterion.values, ("system", "code"), bind)
    found = _row(document, "search_token", bind(criterion.param), rows)
    return f"NOT {found}" if criterion.negated else found


def _reference(criterion: ReferenceCriterion, bind: Bind, document: Document) -> str:
    if not criterion.values:
        return _NOTHING
    rows = _pairs(criterion.values, ("target_type", "target_id"), bind)
    return _row(document, "search_reference", bind(criterion.param), rows)


def _pairs(values: Sequence[tuple[str | None, str | None]], columns: tuple[str, str], bind: Bind) -> str:
    """The condition that a row `s` equals one of the values in both columns; None equals anything."""
    first, second = [value[0] for value in values], [value[1] for value in values]
    rows = []
    # An index begins with the second column.
    if None not in second:
        rows.append(f"s.{columns[1]} = ANY ({bind(second)}::text[])")
        if set(first) == {None}:
            return rows[0]
        if len(set(first)) == 1:
            return f"{rows[0]} AND s.{columns[0]} = {bind(first[0])}"
    rows.append(
        f"EXISTS (SELECT FROM unnest({bind(first)}::text[], {bind(second)}::text[]) AS v (first, second)"
        f" WHERE (v.first IS NULL OR v.first = s.{columns[0]})"
        f" AND (v.second IS NULL OR v.second = s.{columns[1]}))"
    )
    return " AND ".join(rows)


def _string(criterion: StringCriterion, bind: Bind, document: Document) -> str:
    match criterion.mode:
        case StringMode.EXACT:
            rows = f"s.folded = ANY ({bind(list(criterion.values))}::text[])"
        case StringMode.PREFIX:
            # Not LIKE: its pattern would have to be known when the statement is planned.
            rows = _any(
                f"s.folded ~>=~ {bind(value)}::text AND s.folded ~<~ {bind(value + _LAST)}::text"
                for value in criterion.values
            )
        case StringMode.CONTAINS:
            rows = (
                f"EXISTS (SELECT FROM unnest({bind(list(criterion.values))}::text[]) AS v (part)"
                f" WHERE strpos(split_part(s.folded, {bind(STRING_SEPARATOR)}::text, 1), v.part) > 0)"
            )
        case _:
            assert_never(criterion.mode)
    return _row(document, "search_string", bind(criterion.param), f"({rows})")


def _date(criterion: DateCriterion, bind: Bind, document: Document) -> str:
    rows = _any(
        _COMPARISONS[prefix].format(start=_Moment(start, bind), end=_Moment(end, bind))
        for prefix, start, end in criterion.comparisons
    )
    return _row(document, "search_date", bind(criterion.param), f"({rows})")


class _Moment:
    """A moment that becomes a bind parameter where the text of a comparison names it."""

    def __init__(self, value: datetime, bind: Bind) -> None:
        self._value, self._bind = value, bind

    def __str__(self) -> str:
        return f"{self._bind(self._value)}::timestamptz"


def _quantity(criterion: QuantityCriterion, bind: Bind, document: Document) -> str:
    rows = []
    for value in criterion.values:
        low, high, exact = (_Number(each, bind) for each in (value.low, value.high, value.exact))
        each = [f"({_MEASURES[value.prefix].format(low=low, high=high, exact=exact)})"]
        if value.code is not None:
            each.append(f"s.code = {bind(value.code)}")
        if value.system is not None:
            each.append(f"s.system = {bind(value.system)}")
        rows.append(" AND ".join(each))
    return _row(document, "search_quantity", bind(criterion.param), f"({_any(rows)})")


class _Number:
    """A number that becomes a bind parameter where the text of a comparison names it."""

    def __init__(self, value: Decimal, bind: Bind) -> None:
        self._value, self._bind = value, bind

    def __str__(self) -> str:
        return f"{self._bind(float(self._value))}::float8"


# What the hub keeps beside the documents: rows `k`, of which `k.code` is what is searched for.
_KEPT: Final = {
    # A journey that nobody has judged yet is open; what was never sent is in none.
    "loop": "SELECT coalesce(j.loop, 'open') AS code"
    " FROM referral r LEFT JOIN journey j ON j.number = r.journey"
    " WHERE r.id = {id} AND r.journey IS NOT NULL AND r.state <> 'entered-in-error' AND follows(r.id)",
}


def _kept(criterion: HubCriterion, bind: Bind, document: Document) -> str:
    kept = _KEPT[criterion.param].format(id=f"{document.name}.id")
    rows = "" if criterion.codes is None else f" WHERE k.code = ANY ({bind(list(criterion.codes))}::text[])"
    found = f"EXISTS (SELECT FROM ({kept}) k{rows})"
    return f"NOT {found}" if criterion.negated else found


_OVERDUE: Final = "coalesce(k.stage > 0 OR k.due_at <= now(), false)"
# Where what is owed meets a parameter: a condition on the rows `k` of deadline.
_OWED: Final = {
    Owed.OWES: "k.owes = ANY ({codes}::text[])",
    Owed.WAITING_FOR: "k.debtor = ANY ({codes}::text[])",
    Owed.AWAITED_BY: "k.creditor = ANY ({codes}::text[])",
    Owed.OVERDUE: f"k.slot = 'step' AND {_OVERDUE} = ANY ({{codes}}::text[]::boolean[])",
    Owed.ESCALATED: "k.slot = 'step' AND (k.stage = 2) = ANY ({codes}::text[]::boolean[])",
}
_OWED_AT_ALL: Final = {Owed.AWAITED_BY: "k.creditor IS NOT NULL", Owed.DUE: "k.due_at IS NOT NULL"}


def owed_rows(criterion: OwedCriterion, bind: Bind) -> str:
    """The condition that a row `k` of deadline is open and meets the criterion, which may be negated yet."""
    rows = "k.done_at IS NULL AND k.slot <> 'slip'"
    if criterion.comparisons:
        found = _any(
            _COMPARISONS[prefix]
            .format(start=_Moment(start, bind), end=_Moment(end, bind))
            .replace("s.low", "k.due_at")
            .replace("s.high", "k.due_at")
            for prefix, start, end in criterion.comparisons
        )
        return f"{rows} AND ({found})"
    if criterion.codes is None:
        return f"{rows} AND {_OWED_AT_ALL.get(criterion.what, 'true')}"
    return f"{rows} AND {_OWED[criterion.what].format(codes=bind(list(criterion.codes)))}"


def _owed(criterion: OwedCriterion, bind: Bind, document: Document) -> str:
    source = f"deadline k WHERE k.referral = {document.name}.id"
    if criterion.by_offer:
        source = (
            "offer f JOIN deadline k ON k.referral = f.referral AND k.offer = f.id"
            f" WHERE f.id = {document.name}.id"
        )
    found = f"EXISTS (SELECT FROM {source} AND {owed_rows(criterion, bind)})"
    return f"NOT {found}" if criterion.negated else found


def _uri(criterion: UriCriterion, bind: Bind, document: Document) -> str:
    rows = _any(
        f"s.code ~>=~ {bind(value)}::text AND s.code ~<~ {bind(value + _LAST)}::text"
        for value in criterion.values
    )
    # The partial index is of this system, written out.
    found = f"s.system = '{URI_SYSTEM}' AND ({rows})"
    return _row(document, "search_token", bind(criterion.param), found)


def _near(criterion: NearCriterion, bind: Bind, document: Document) -> str:
    rows = []
    for latitude, longitude, kilometres in criterion.places:
        lat, lon, most = (f"{bind(each)}::float" for each in (latitude, longitude, kilometres))
        # The band of latitudes is what an index begins with; within it the haversine formula.
        rows.append(
            f"s.latitude BETWEEN {lat} - {most} / {_KILOMETRES_OF_A_DEGREE}"
            f" AND {lat} + {most} / {_KILOMETRES_OF_A_DEGREE}"
            f" AND {_EARTH_DIAMETER} * asin(least(1, sqrt("
            f"power(sin(radians(s.latitude - {lat}) / 2), 2) + cos(radians({lat})) * cos(radians(s.latitude))"
            f" * power(sin(radians(s.longitude - {lon}) / 2), 2)))) <= {most}"
        )
    return _row(document, "search_position", bind(criterion.param), f"({_any(rows)})")


def _either(criterion: AnyCriterion, bind: Bind, document: Document) -> str:
    return _any(condition(each, bind, document) for each in criterion.criteria)


def _missing(criterion: MissingCriterion, bind: Bind, document: Document) -> str:
    rows = "" if criterion.target_type is None else f"s.target_type = {bind(criterion.target_type)}"
    found = _row(document, _TABLES[criterion.kind], bind(criterion.param), rows)
    return f"NOT {found}" if criterion.missing else found


def _column(criterion: IdCriterion | LastUpdatedCriterion, bind: Bind, document: Document) -> str:
    if isinstance(criterion, IdCriterion):
        return f"{document.name}.id = ANY ({bind(list(criterion.ids))}::text[])"
    return _any(
        f"{document.name}.updated_at >= {bind(since)}::timestamptz"
        f" AND {document.name}.updated_at < {bind(until)}::timestamptz"
        for since, until in criterion.ranges
    )


_CONDITIONS: Final[dict[type, Callable[[Any, Bind, Document], str]]] = {
    ChainCriterion: _chain,
    HasCriterion: _has,
    TokenCriterion: _token,
    HubCriterion: _kept,
    OwedCriterion: _owed,
    ReferenceCriterion: _reference,
    StringCriterion: _string,
    DateCriterion: _date,
    QuantityCriterion: _quantity,
    UriCriterion: _uri,
    NearCriterion: _near,
    AnyCriterion: _either,
    MissingCriterion: _missing,
    IdCriterion: _column,
    LastUpdatedCriterion: _column,
}
