"""What a search asks for, ready to become SQL over the search tables.

A search finds the resources that meet every criterion. A criterion lists alternatives; one that lists
none is met by nothing (by everything when negated). `param` is the name in the index tables, never one
that a client invented; every text is free of NUL and as long as the tables hold; every moment is aware.
Here, because the reader of searches and the store both work with it and neither knows the other.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

STRING_SEPARATOR: Final = "\x1f"
"""Between the folded text and the text itself in search_string."""

URI_SYSTEM: Final = "urn:ietf:rfc:3986"
"""The system under which addresses stand in search_token."""

OWED_OF_OFFER: Final = "owed:offer"
OWED_OF_REFERRAL: Final = "owed:referral"
"""Rows of a parameter that has none in the index tables: what is owed stands in a table of its own."""


class Kind(StrEnum):
    """Type of a search parameter, in the word of R4 (search-param-type)."""

    TOKEN = "token"  # noqa: S105 - the FHIR word, not a secret
    REFERENCE = "reference"
    STRING = "string"
    DATE = "date"
    QUANTITY = "quantity"
    URI = "uri"
    SPECIAL = "special"
    COMPOSITE = "composite"


@dataclass(frozen=True, slots=True)
class TokenCriterion:
    """A row of search_token equals one of `values`: (system, code), None = any, '' = without.

    `negated`: no row does. For codes and booleans (status, active) the system is always None.
    """

    param: str
    values: tuple[tuple[str | None, str | None], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class HubCriterion:
    """What the hub keeps of the resource under `param` is one of `codes` (None: any). `negated`: none."""

    param: str
    codes: tuple[str, ...] | None
    negated: bool = False


class Owed(StrEnum):
    """What is known of what is owed: the parameters of the hub that look at it."""

    OWES = "owes"
    WAITING_FOR = "waiting-for"
    AWAITED_BY = "awaited-by"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class OwedCriterion:
    """What is owed of the referral, or of the referral by this offer, meets `what`.

    by_offer: the resource is the offer. codes: a party, ids of facilities, true or false; None: any there is.
    comparisons: of the moment when it is due, as in DateCriterion. negated: nothing that is owed does.
    """

    by_offer: bool
    what: Owed
    codes: tuple[str, ...] | None = None
    comparisons: "tuple[tuple[Prefix, datetime, datetime], ...]" = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceCriterion:
    """A row of search_reference equals one of `values`: (type, id), type None = any.

    ('', address) stands for a target outside.
    """

    param: str
    values: tuple[tuple[str | None, str], ...]


class StringMode(StrEnum):
    """How a value is compared with the key in search_string (see `fhir.search_index.string_key`).

    PREFIX: the key starts with the value; EXACT: it equals the value; CONTAINS: the part before
    `STRING_SEPARATOR` contains the value.
    """

    PREFIX = "prefix"
    EXACT = "exact"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class StringCriterion:
    """A row of search_string matches one of `values`, which are folded as the mode needs."""

    param: str
    values: tuple[str, ...]
    mode: StringMode


class Prefix(StrEnum):
    """Comparison of an index row [low, high) with a search value [from, until).

    Reading of https://hl7.org/fhir/R4/search.html#prefix for half-open intervals; `ap` comes with a
    value already widened.

    - eq: low >= from and high <= until
    - ne: low < from or high > until
    - gt: high > until
    - lt: low < from
    - ge: low >= from or high > until
    - le: low < from or high <= until
    - sa: low >= until
    - eb: high <= from
    - ap: low < until and high > from
    """

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


@dataclass(frozen=True, slots=True)
class DateCriterion:
    """A row of search_date meets one of `comparisons`: (prefix, from, until)."""

    param: str
    comparisons: tuple[tuple[Prefix, datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number that quantities are compared with: its digits can mean [`low`, `high`), `exact` is as written.

    Reading of the prefixes for a stored value known to lie from its `low` to its `high`, both within:

    - eq: low >= value.low and high < value.high; ne: not so; ap: low <= value.high and high >= value.low
    - gt: high > exact; ge: high >= exact; sa: low > exact
    - lt: low < exact; le: low <= exact; eb: high < exact

    system, code: those of the unit; None: any.
    """

    prefix: Prefix
    low: Decimal
    high: Decimal
    exact: Decimal
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class QuantityCriterion:
    """A row of search_quantity meets one of `values`."""

    param: str
    values: tuple[QuantityValue, ...]


@dataclass(frozen=True, slots=True)
class UriCriterion:
    """An address of the parameter begins with one of `values`."""

    param: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NearCriterion:
    """A position of the parameter lies near one of `places`: (latitude, longitude, kilometres at most).

    Degrees of WGS 84, distances along a great circle.
    """

    param: str
    places: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class AnyCriterion:
    """One of `criteria` is met."""

    criteria: "tuple[ReferenceCriterion, ...]"


@dataclass(frozen=True, slots=True)
class MissingCriterion:
    """The table of `kind` has no row of `param` (`missing`), or has one.

    For references `target_type` narrows the rows that count (`patient`: those of type Patient).
    """

    param: str
    kind: Kind
    missing: bool
    target_type: str | None = None


@dataclass(frozen=True, slots=True)
class IdCriterion:
    """The id is one of `ids`."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastUpdatedCriterion:
    """The moment of the last change lies in one of `ranges`: from (within), until (without)."""

    ranges: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class ChainCriterion:
    """The reference `param` is to a resource that meets one of `ways`: its type, and what it must meet.

    What the searching facility does not see meets nothing.
    """

    param: str
    ways: "tuple[tuple[str, Criterion], ...]"


@dataclass(frozen=True, slots=True)
class HasCriterion:
    """A resource of the type `source` that meets `criterion` refers here, as its reference `param`."""

    source: str
    param: str
    criterion: "Criterion"


Criterion = (
    ChainCriterion
    | HasCriterion
    | TokenCriterion
    | HubCriterion
    | OwedCriterion
    | ReferenceCriterion
    | StringCriterion
    | DateCriterion
    | QuantityCriterion
    | UriCriterion
    | NearCriterion
    | AnyCriterion
    | MissingCriterion
    | IdCriterion
    | LastUpdatedCriterion
)


_OF_A_WAY = 20


def effort(criterion: Criterion) -> int:
    """What a criterion asks of the store, in single values: of a chain each way counts as twenty more."""
    match criterion:
        case ChainCriterion():
            asked = sum(_OF_A_WAY + effort(found) for _, found in criterion.ways)
        case HasCriterion():
            asked = _OF_A_WAY + effort(criterion.criterion)
        case DateCriterion():
            asked = len(criterion.comparisons)
        case NearCriterion():
            asked = len(criterion.places)
        case AnyCriterion():
            asked = len(criterion.criteria)
        case IdCriterion():
            asked = len(criterion.ids)
        case LastUpdatedCriterion():
            asked = len(criterion.ranges)
        case HubCriterion() | MissingCriterion() | OwedCriterion():
            asked = 1
        case _:
            asked = len(criterion.values)
    return asked


@dataclass(frozen=True, slots=True)
class SortKey:
    """Order of the matches: `_id`, `_lastUpdated` or a parameter of that `kind`; ties go by id, ascending.

    Of several values the first in that order counts (of a date and a quantity its `low` ascending, its
    `high` descending); resources without one come last. rows: the parameter in the index tables, where
    that is another.
    """

    param: str
    descending: bool = False
    kind: Kind = Kind.DATE
    rows: str = ""

    def __str__(self) -> str:
        return f"-{self.param}" if self.descending else self.param


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last match of the page before: its sort value (None: it has none) and its id.

    A moment, a text, or a number as text, as the kind of the sort key says.
    """

    value: datetime | str | None
    id: str


@dataclass(frozen=True, slots=True)
class Include:
    """Follow reference `param` of resources of type `source`, to targets of type `target` (None: any).

    iterate: also from what was brought along.
    """

    source: str
    param: str
    target: str | None = None
    iterate: bool = False


class Total(StrEnum):
    """Whether the client wants the number of all matches."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


class Summary(StrEnum):
    """How much of each resource is shown. https://hl7.org/fhir/R4/search.html#summary"""

    TRUE = "true"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A whole search of one type.

    `count` matches a page, 0 = only their number. `includes` go from the matches outward, `revincludes`
    name what points to them. `elements`: the only ones to show; none: all. `self_pairs`: the pairs that
    were understood, without the cursor, for the self and next links.
    """

    resource_type: str
    criteria: tuple[Criterion, ...]
    sort: SortKey
    count: int
    cursor: Cursor | None
    includes: tuple[Include, ...]
    revincludes: tuple[Include, ...]
    total: Total | None
    self_pairs: tuple[tuple[str, str], ...]
    summary: Summary | None = None
    elements: tuple[str, ...] = ()
