"""A search of AuditEvents as a question about the rows of the audit. https://hl7.org/fhir/R4/auditevent.html#search

What a row becomes (`audit_event`) depends on its action and outcome in few ways: by these it is asked.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TypeVar

from referral.domain.audit import AuditAction, AuditQuestion, Span
from referral.domain.errors import InvalidElement
from referral.domain.search import (
    Criterion,
    DateCriterion,
    IdCriterion,
    LastUpdatedCriterion,
    MissingCriterion,
    ReferenceCriterion,
    SearchQuery,
    TokenCriterion,
)
from referral.fhir import systems
from referral.fhir.audit_event import coded, outcome_code
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.opaque_id import AUDIT_ROW, number_behind
from referral.fhir.resources import AUDIT_EVENT
from referral.fhir.search_criteria import ranges_of
from referral.fhir.search_index import IndexRows, index_rows
from referral.fhir.search_match import meets


def audit_question(query: SearchQuery, key: bytes) -> AuditQuestion:
    """The rows that meet every criterion of a search of AuditEvents. key: as of `opaque_id`."""
    question = AuditQuestion(((BEGINNING, END),))
    for criterion in query.criteria:
        question = _narrowed(question, criterion, key)
    return question


def _narrowed(asked: AuditQuestion, criterion: Criterion, key: bytes) -> AuditQuestion:
    match criterion:
        case IdCriterion(ids):
            numbers = (number_behind(key, AUDIT_ROW, name) for name in ids)
            found = replace(asked, rows=_both(asked.rows, filter(None, numbers)))
        case LastUpdatedCriterion(ranges):
            found = replace(asked, spans=_overlap(asked.spans, _apart(ranges)))
        case DateCriterion(_, comparisons):
            spans = _apart(span for comparison in comparisons for span in ranges_of(*comparison))
            found = replace(asked, spans=_overlap(asked.spans, spans))
        case ReferenceCriterion():
            found = _of_reference(asked, criterion)
        case TokenCriterion():
            found = _of_token(asked, criterion)
        case MissingCriterion():
            found = _of_presence(asked, criterion)
        case _:
            found = replace(asked, spans=())
    return found


def _of_reference(asked: AuditQuestion, criterion: ReferenceCriterion) -> AuditQuestion:
    match criterion.param:
        case "agent":
            named = [name for kind, name in criterion.values if kind in {None, "Organization"}]
            return replace(asked, actors=_both(asked.actors, named))
        case "patient":
            return replace(asked, patients=_both(asked.patients, [name for _, name in criterion.values]))
        case _:
            names = frozenset(name if kind is None else f"{kind}/{name}" for kind, name in criterion.values)
            return replace(asked, entities=(*asked.entities, names))


def _of_token(asked: AuditQuestion, criterion: TokenCriterion) -> AuditQuestion:
    match criterion.param:
        case "agent:identifier":
            return replace(asked, clients=_both(asked.clients, _codes(criterion, systems.CLIENT_IDENTIFIER)))
        case "entity:identifier":
            return replace(asked, requests=_both(asked.requests, _codes(criterion, "")))
        case "outcome":
            met = {refused for refused in (False, True) if _meets(criterion, _by_outcome(refused=refused))}
            return _refused(asked, met)
        case _:
            return _acting(asked, criterion)


def _of_presence(asked: AuditQuestion, criterion: MissingCriterion) -> AuditQuestion:
    match criterion.param:
        case "patient":
            about = not criterion.missing
            return replace(asked, about=about) if asked.about in {None, about} else replace(asked, spans=())
        case "entity":
            named = not criterion.missing
            return replace(asked, named=named) if asked.named in {None, named} else replace(asked, spans=())
        case "agent" | "date" | "outcome":
            return replace(asked, spans=()) if criterion.missing else asked
        case _:
            return _acting(asked, criterion)


def _acting(asked: AuditQuestion, criterion: TokenCriterion | MissingCriterion) -> AuditQuestion:
    actions = [each for each in AuditAction if _meets(criterion, _by_action(each))]
    return replace(asked, actions=_both(asked.actions, actions))


def _refused(asked: AuditQuestion, met: set[bool]) -> AuditQuestion:
    left = met & ({False, True} if asked.refused is None else {asked.refused})
    if len(left) == 1:
        return replace(asked, refused=left.pop())
    return asked if left else replace(asked, spans=())


_Each = TypeVar("_Each", str, int)


def _both(before: frozenset[_Each] | None, now: Iterable[_Each]) -> frozenset[_Each]:
    return frozenset(now) if before is None else before & frozenset(now)


def _codes(criterion: TokenCriterion, system: str) -> list[str]:
    """The values of identifiers of that system. Raises InvalidElement where one is of the system alone."""
    meant = [code for named, code in criterion.values if named in {None, system}]
    if None in meant:
        raise InvalidElement(f"Parameter {criterion.param}: it takes a value, not a system alone.")
    return [code for code in meant if code is not None]


def _meets(criterion: Criterion, rows: IndexRows) -> bool:
    return meets(criterion, rows, "", BEGINNING)


@cache
def _by_action(action: AuditAction) -> IndexRows:
    return index_rows(AUDIT_EVENT, coded(action), base=systems.BASE)


@cache
def _by_outcome(*, refused: bool) -> IndexRows:
    return index_rows(AUDIT_EVENT, {"outcome": outcome_code(refused=refused)}, base=systems.BASE)


def _apart(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same moments as spans in their order, none of which touches another."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        elif low < high:
            found.append((low, high))
    return tuple(found)


def _overlap(first: tuple[Span, ...], second: tuple[Span, ...]) -> tuple[Span, ...]:
    """The moments in both; each of them in its order."""
    found: list[Span] = []
    one = other = 0
    while one < len(first) and other < len(second):
        low, high = max(first[one][0], second[other][0]), min(first[one][1], second[other][1])
        if low < high:
            found.append((low, high))
        if first[one][1] < second[other][1]:
            one += 1
        else:
            other += 1
    return tuple(found)
