"""Worklists: what one facility has not ended yet, read in the order of one index however much it ever had.

The rows are those of search_reference that carry a status: see `apply_changes`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from referral.domain.search import (
    Criterion,
    Owed,
    OwedCriterion,
    ReferenceCriterion,
    SearchQuery,
    SortKey,
    TokenCriterion,
    Total,
)
from referral.store.search_conditions import Bind, owed_rows

_TYPES: Final = frozenset({"ServiceRequest", "Task"})
_PARTIES: Final = frozenset({"owner", "performer", "requester"})
_OPEN: Final = frozenset(
    {"draft", "active", "requested", "received", "accepted", "ready", "in-progress", "on-hold"}
)
_NEWEST: Final = SortKey("_lastUpdated", descending=True)
_COUNTED: Final = (Total.ACCURATE, Total.ESTIMATE)
# Infinity to the database.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Worklist:
    """A search by party and status: the criteria `party` and `statuses`, and the `others`."""

    party: ReferenceCriterion
    statuses: TokenCriterion
    others: tuple[Criterion, ...]

    @classmethod
    def of(cls, query: SearchQuery) -> Self | None:
        """The worklist that the query asks for; None where it asks for something else."""
        if query.resource_type not in _TYPES:
            return None
        party = next((each for each in query.criteria if _is_party(each)), None)
        statuses = next((each for each in query.criteria if _are_open(each)), None)
        if not isinstance(party, ReferenceCriterion) or not isinstance(statuses, TokenCriterion):
            return None
        others = tuple(each for each in query.criteria if each is not party and each is not statuses)
        return cls(party, statuses, others)

    @property
    def source(self) -> str:
        """Its rows `w`, with their documents."""
        return "search_reference w JOIN document d ON d.id = w.id"

    def rows(self, bind: Bind) -> str:
        """The condition of its rows `w` in search_reference; `$2` is the type that is searched."""
        (_, facility), *_ = self.party.values
        codes = [code for _, code in self.statuses.values]
        return (
            f"w.type = $2 AND w.param = {bind(self.party.param)} AND w.target_id = {bind(facility)}"
            f" AND w.target_type = 'Organization' AND w.open_status IS NOT NULL"
            f" AND w.open_status = ANY ({bind(codes)}::text[])"
        )


@dataclass(frozen=True, slots=True)
class OwedList:
    """A search of what waits for one facility, or what it waits for: the criterion `party`, and the `others`.

    It is read from what is owed, in the order of an index, the most urgent first.
    """

    party: OwedCriterion
    others: tuple[Criterion, ...]

    @classmethod
    def of(cls, query: SearchQuery) -> Self | None:
        """The list that the query asks for; None where it asks for something else."""
        for each in query.criteria:
            if isinstance(each, OwedCriterion) and each.what in _SIDES and len(each.codes or ()) == 1:
                if each.negated:
                    continue
                return cls(each, tuple(other for other in query.criteria if other is not each))
        return None

    @property
    def source(self) -> str:
        """The rows `k` of what is owed, with their documents."""
        column = "offer" if self.party.by_offer else "referral"
        return f"deadline k JOIN document d ON d.id = k.{column}"

    def rows(self, bind: Bind) -> str:
        """The condition of its rows `k` in deadline."""
        return owed_rows(replace(self.party, codes=None), bind) + (
            f" AND k.{_SIDES[self.party.what]} = {bind((self.party.codes or ('',))[0])}"
        )


_SIDES: Final = {Owed.WAITING_FOR: "debtor", Owed.AWAITED_BY: "creditor"}


def page_values(query: SearchQuery, include_types: Collection[str], most: int) -> list[object] | None:
    """The values of `open_work` after the facility that looks; None where more is asked for, or parts.

    include_types: what may come along, `most` of it at most.
    """
    iterates = any(include.iterate for include in query.includes)
    if query.sort != _NEWEST or query.revincludes or iterates or not query.count or query.total in _COUNTED:
        return None
    if query.summary is not None or query.elements:
        return None
    asked = Worklist.of(query)
    if asked is None or asked.others:
        return None
    (_, facility), *_ = asked.party.values
    before, after = (query.cursor.value, query.cursor.id) if query.cursor else (_NEVER, "")
    return [
        query.resource_type,
        asked.party.param,
        facility,
        [code for _, code in asked.statuses.values],
        query.count + 1,
        before,
        after,
        [include.param for include in query.includes],
        [f"{each.param}:{each.target}" if each.target else each.param for each in query.includes],
        ",".join(include_types),
        most,
    ]


def _is_party(criterion: Criterion) -> bool:
    return (
        isinstance(criterion, ReferenceCriterion)
        and criterion.param in _PARTIES
        and len(criterion.values) == 1
        and criterion.values[0][0] == "Organization"
    )


def _are_open(criterion: Criterion) -> bool:
    return (
        isinstance(criterion, TokenCriterion)
        and criterion.param == "status"
        and not criterion.negated
        and bool(criterion.values)
        and all(system is None and code in _OPEN for system, code in criterion.values)
    )
