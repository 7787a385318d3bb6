"""Reading a search: pairs of a query string in, `SearchQuery` out.

https://hl7.org/fhir/R4/search.html. Everything that is wrong is told at once, as one InvalidElement that
names the parameters and never repeats a value, which may be about a patient. `Prefer: handling=lenient`
passes over unknown parameters only: R4 forbids to pass over a modifier, and a wrong value is an error.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from referral.domain.errors import InvalidElement, NotSupported, Problem
from referral.domain.search import (
    ChainCriterion,
    Criterion,
    HasCriterion,
    Include,
    Kind,
    SearchQuery,
    SortKey,
    Summary,
    Total,
    effort,
)
from referral.fhir.media_range import is_format
from referral.fhir.parameters import PARAMETERS, Parameter, parameter
from referral.fhir.resources import AUDIT_EVENT, STORED, SUPPORTED
from referral.fhir.search_criteria import COLUMNS, TYPE, read_criterion
from referral.fhir.search_cursor import decode_cursor
from referral.fhir.search_texts import ParameterError

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 200
DEFAULT_SORT: Final = SortKey("_id")
AUDIT_SORT: Final = SortKey("date", descending=True)
"""The audit has one order, the newest first."""

_MAX_PAIRS: Final = 100
# Of single values, see `effort`: else one small request keeps the database busy for half a minute.
_MOST_EFFORT: Final = 1_000
_MAX_VALUE: Final = 40_000
_MAX_ELEMENTS: Final = 100
_HAS_PARTS: Final = 3
_ELEMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_TOO_MUCH: Final = (
    "The search asks for too much at once: give fewer values, and name the type in a chain"
    " (subject:Patient.identifier)."
)
# What the service tells of itself is not among what others write.
_ALONE: Final = "AuditEvents and definitions are searched alone."
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
# What a sort can go by. Neither places nor pairs are an order.
_SORTED: Final = frozenset(Kind) - {Kind.SPECIAL, Kind.COMPOSITE}


@dataclass(slots=True)
class _Draft:
    resource_type: str
    base: str
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    sort: SortKey = DEFAULT_SORT
    count: int = DEFAULT_COUNT
    summary: Summary | None = None
    elements: tuple[str, ...] = ()
    total: Total | None = None
    cursor: str | None = None


def parse_search(
    resource_type: str, pairs: Sequence[tuple[str, str]], *, lenient: bool, base: str
) -> SearchQuery:
    """Search of a stored type from the pairs of a query string or form, decoded.

    `base` is the address of our FHIR endpoint. A pair with an empty value is passed over, as R4 says.
    Raises InvalidElement, NotSupported for a type that is not stored.
    """
    if resource_type not in PARAMETERS:
        raise NotSupported("The service does not store resources of this type.")
    if len(pairs) > _MAX_PAIRS:
        raise InvalidElement(f"A search takes at most {_MAX_PAIRS} parameters.")
    draft = _Draft(resource_type, base, sort=AUDIT_SORT if resource_type == AUDIT_EVENT else DEFAULT_SORT)
    problems: list[Problem] = []
    understood: list[tuple[str, str]] = []
    once: set[str] = set()
    for key, value in pairs:
        try:
            if _take(draft, key, value, once, lenient=lenient) and key != "_cursor":
                understood.append((key, str(draft.count) if key == "_count" else value))
        except ParameterError as fault:
            problems.append(Problem(f"Parameter {_shown(key)}: {fault}"))
    if draft.summary is Summary.TEXT and (draft.includes or draft.revincludes):
        # https://hl7.org/fhir/R4/search.html#summary
        problems.append(Problem("Parameter _summary: text does not go with _include and _revinclude."))
    if sum(map(effort, draft.criteria)) > _MOST_EFFORT:
        problems.append(Problem(_TOO_MUCH))
    if problems:
        raise InvalidElement(problems)
    return SearchQuery(
        resource_type=resource_type,
        criteria=tuple(draft.criteria),
        sort=draft.sort,
        count=0 if draft.summary is Summary.COUNT else draft.count,
        cursor=None if draft.cursor is None else decode_cursor(draft.cursor, draft.sort),
        includes=tuple(dict.fromkeys(draft.includes)),
        revincludes=tuple(dict.fromkeys(draft.revincludes)),
        total=draft.total,
        self_pairs=tuple(understood),
        summary=draft.summary,
        elements=draft.elements,
    )


def _take(draft: _Draft, key: str, value: str, once: set[str], *, lenient: bool) -> bool:
    """Read one pair into the draft; False when it is passed over."""
    name, _, modifier = key.partition(":")
    result_parameter = _RESULT_PARAMETERS.get(name)
    chained = "." in key or name == "_has"
    known = chained or result_parameter is not None or _reads(draft.resource_type, name)
    if not known:
        if lenient:
            return False
        raise ParameterError(_unknown(draft.resource_type))
    if value == "":
        return False
    if len(value) > _MAX_VALUE:
        raise ParameterError(f"its values may have {_MAX_VALUE} characters in all.")
    if _UNSTORABLE.search(value):
        raise ParameterError("a value may not hold a NUL or half a character.")
    if chained:
        draft.criteria.append(_has(draft, modifier, value) if name == "_has" else _chain(draft, key, value))
    elif result_parameter is None:
        draft.criteria.append(_criterion(draft.resource_type, name, modifier, value, draft.base))
    else:
        if modifier and (name, modifier) not in _ITERATED:
            raise ParameterError("it takes no modifier here.")
        if name not in _REPEATED:
            if name in once:
                raise ParameterError("it may be given once only.")
            once.add(name)
        result_parameter(draft, f"{modifier}:{value}" if modifier else value)
    return True


def _reads(resource_type: str, name: str) -> bool:
    return name in COLUMNS or parameter(resource_type, name) is not None


def _criterion(resource_type: str, name: str, modifier: str, value: str, base: str) -> Criterion:
    """A criterion by a parameter that the type has."""
    searched = parameter(resource_type, name)
    if searched is not None:
        return read_criterion(searched, modifier, value, base)
    if modifier:
        raise ParameterError("it takes no modifier here.")
    return COLUMNS[name](value)


def _chain(draft: _Draft, key: str, value: str) -> ChainCriterion:
    """`subject:Patient.name=an`, `patient.identifier=...`: https://hl7.org/fhir/R4/search.html#chaining"""
    link, _, rest = key.partition(".")
    name, _, wanted = link.partition(":")
    searched, _, modifier = rest.partition(":")
    followed = parameter(draft.resource_type, name)
    if followed is None or not followed.refers:
        raise ParameterError(_unknown(draft.resource_type))
    if "." in rest or searched == "_has":
        raise ParameterError("a chain has one step.")
    if draft.resource_type not in STORED or wanted in SUPPORTED - STORED:
        raise ParameterError(_ALONE)
    if wanted and not (TYPE.fullmatch(wanted) and followed.may_target(wanted)):
        raise ParameterError("it never refers to the type that stands behind the colon.")
    targets = [wanted] if wanted else [each for each in sorted(STORED) if followed.may_target(each)]
    targets = [each for each in targets if _reads(each, searched)]
    if not targets:
        raise ParameterError("what it refers to has no parameter of the name behind the point.")
    ways = tuple((each, _criterion(each, searched, modifier, value, draft.base)) for each in targets)
    return ChainCriterion(followed.rows, ways)


def _has(draft: _Draft, path: str, value: str) -> HasCriterion:
    """`_has:Observation:patient:code=...`: https://hl7.org/fhir/R4/search.html#has"""
    parts = path.split(":", 3)
    if len(parts) < _HAS_PARTS:
        raise ParameterError("it is _has:Type:reference:parameter.")
    source, name, searched, *modifier = parts
    if source in SUPPORTED - STORED or draft.resource_type not in STORED:
        raise ParameterError(_ALONE)
    following = parameter(source, name)
    if following is None or not following.may_target(draft.resource_type):
        raise ParameterError("there is no such reference to the type that is searched.")
    if searched == "_has" or "." in searched:
        raise ParameterError("it has one step.")
    if not _reads(source, searched):
        raise ParameterError(_unknown(source))
    found = _criterion(source, searched, "".join(modifier), value, draft.base)
    return HasCriterion(source, following.rows, found)


def _count(draft: _Draft, value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise ParameterError("it is a number of matches, 0 or more.")
    draft.count = min(int(value), MAX_COUNT)
    if draft.count == 0:
        _check_counted(draft)


def _summary(draft: _Draft, value: str) -> None:
    if value not in list(Summary):
        raise ParameterError(f"it is one of {', '.join(Summary)}.")
    draft.summary = Summary(value)
    if draft.summary is Summary.COUNT:
        _check_counted(draft)


def _elements(draft: _Draft, value: str) -> None:
    # Some name the type before the element, as R5 does.
    names = [name.strip().removeprefix(f"{draft.resource_type}.") for name in value.split(",")]
    if len(names) > _MAX_ELEMENTS or not all(_ELEMENT.fullmatch(name) for name in names):
        raise ParameterError("it is a list of names of elements, with commas between.")
    draft.elements = tuple(dict.fromkeys(names))


def _sort(draft: _Draft, value: str) -> None:
    if draft.resource_type == AUDIT_EVENT:
        if value != str(AUDIT_SORT):
            raise ParameterError(f"the audit is told the newest first, {AUDIT_SORT}.")
        return
    # The id breaks ties in any case.
    value = value.removesuffix(",_id")
    if "," in value:
        raise ParameterError("it goes by one parameter here, and then by the id.")
    name = value.removeprefix("-")
    searched = parameter(draft.resource_type, name)
    descending = value.startswith("-")
    if name in COLUMNS:
        draft.sort = SortKey(name, descending)
    elif searched is not None and _is_order(searched):
        rows = "" if searched.rows == name else searched.rows
        draft.sort = SortKey(name, descending, searched.kind, rows)
    else:
        names = [each.name for each in PARAMETERS[draft.resource_type] if _is_order(each)]
        raise ParameterError(f"it is one of {', '.join([*COLUMNS, *names])}, descending with - before it.")


def _is_order(searched: Parameter) -> bool:
    return searched.kind in _SORTED and (not searched.told or searched.kind is Kind.DATE)


def _total(draft: _Draft, value: str) -> None:
    if value not in list(Total):
        raise ParameterError(f"it is one of {', '.join(Total)}.")
    draft.total = Total(value)
    if draft.total is not Total.NONE:
        _check_counted(draft)


def _check_counted(draft: _Draft) -> None:
    if draft.resource_type == AUDIT_EVENT:
        raise ParameterError("the audit is not counted.")


def _include(draft: _Draft, value: str) -> None:
    include = _reference_path(draft, value)
    if include.source != draft.resource_type and not include.iterate:
        raise ParameterError("it starts at the type that is searched, or iterates.")
    draft.includes.append(include)


def _revinclude(draft: _Draft, value: str) -> None:
    include = _reference_path(draft, value)
    if include.iterate:
        draft.revincludes.append(include)
        return
    named = parameter(include.source, value.split(":")[1])
    if named is None or not named.may_target(draft.resource_type):
        raise ParameterError("this parameter never refers to the type that is searched.")
    if include.target not in (None, draft.resource_type):
        raise ParameterError("its target is the type that is searched.")
    draft.revincludes.append(Include(include.source, include.param, draft.resource_type))


def _reference_path(draft: _Draft, value: str) -> Include:
    iterated = value.startswith("iterate:")
    source, _, rest = value.removeprefix("iterate:").partition(":")
    name, _, target = rest.partition(":")
    if source in SUPPORTED - STORED or draft.resource_type not in STORED:
        raise ParameterError(_ALONE)
    followed = parameter(source, name)
    if followed is None or not followed.refers:
        raise ParameterError("a value is Type:parameter or Type:parameter:Target, of a reference parameter.")
    if target and not (TYPE.fullmatch(target) and followed.may_target(target)):
        raise ParameterError("the parameter never refers to the target type that the value names.")
    only = None if followed.indexed else followed.targets[0]
    return Include(source, followed.rows, target or only, iterated)


def _cursor(draft: _Draft, value: str) -> None:
    draft.cursor = value


def _format(_draft: _Draft, value: str) -> None:
    if not is_format(value):
        raise ParameterError("the service speaks JSON only.")


def _pretty(_draft: _Draft, value: str) -> None:
    if value not in ("true", "false"):
        raise ParameterError("it is true or false.")


_REPEATED: Final = frozenset({"_include", "_revinclude"})
_ITERATED: Final = frozenset((name, "iterate") for name in _REPEATED)
_RESULT_PARAMETERS: Final[dict[str, Callable[[_Draft, str], None]]] = {
    "_count": _count,
    "_cursor": _cursor,
    "_elements": _elements,
    "_format": _format,
    "_include": _include,
    "_pretty": _pretty,
    "_revinclude": _revinclude,
    "_sort": _sort,
    "_summary": _summary,
    "_total": _total,
}


def _shown(key: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in key[:60])


def _unknown(resource_type: str) -> str:
    names = [each.name for each in PARAMETERS[resource_type]]
    return f"unknown for {resource_type}; it has {', '.join([*COLUMNS, *names])}."
