"""What a search asks for, ready to become SQL over the four search tables.

A search finds the resources that meet every criterion. A criterion lists alternatives; one that lists
none is met by nothing (by everything when negated). `param` is the name in the index tables, never one
that a client invented; every text is free of NUL and as long as the tables hold; every moment is aware.
Here, because the reader of searches and the store both work with it and neither knows the other.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

STRING_SEPARATOR: Final = "\x1f"
"""Between the folded text and the text itself in search_string."""


class Kind(StrEnum):
    """Type of a search parameter, in the word of R4 (search-param-type)."""

    TOKEN = "token"  # noqa: S105 - the FHIR word, not a secret
    REFERENCE = "reference"
    STRING = "string"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class TokenCriterion:
    """A row of search_token equals one of `values`: (system, code), None = any, '' = without.

    `negated`: no row does. For codes and booleans (status, active) the system is always None.
    """

    param: str
    values: tuple[tuple[str | None, str | None], ...]
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


Criterion = (
    TokenCriterion
    | ReferenceCriterion
    | StringCriterion
    | DateCriterion
    | MissingCriterion
    | IdCriterion
    | LastUpdatedCriterion
)


@dataclass(frozen=True, slots=True)
class SortKey:
    """Order of the matches: `_id`, `_lastUpdated` or a date parameter; the id breaks ties, ascending.

    By a date parameter the lowest `low` counts ascending, the highest `high` descending; resources
    without one come last.
    """

    param: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.param}" if self.descending else self.param


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last match of the page before: its sort value (None: it has none) and its id."""

    value: datetime | None
    id: str


@dataclass(frozen=True, slots=True)
class Include:
    """Follow reference `param` of resources of type `source`, to targets of type `target` (None: any)."""

    source: str
    param: str
    target: str | None = None


class Total(StrEnum):
    """Whether the client wants the number of all matches."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A whole search of one type.

    `count` matches a page, 0 = only their number. `includes` go from the matches outward, `revincludes`
    name what points to them. `self_pairs`: the pairs that were understood, without the cursor, for the
    self and next links.
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
