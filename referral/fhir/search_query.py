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
    Criterion,
    DateCriterion,
    IdCriterion,
    Include,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    Prefix,
    ReferenceCriterion,
    SearchQuery,
    SortKey,
    StringCriterion,
    StringMode,
    TokenCriterion,
    Total,
)
from referral.fhir.intervals import BEGINNING, END, Interval, interval, widened
from referral.fhir.parameters import PARAMETERS, Parameter, parameter
from referral.fhir.primitives import ID
from referral.fhir.search_cursor import decode_cursor
from referral.fhir.search_index import fold, folded_value, reference_key, string_key, token_key
from referral.fhir.systems import BOOLEAN

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 200
DEFAULT_SORT: Final = SortKey("_id")

_MAX_PAIRS: Final = 100
_MAX_ALTERNATIVES: Final = 500
_MAX_LENGTH: Final = 1000
_MAX_VALUE: Final = 40_000
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
_PREFIX: Final = re.compile(r"[a-zA-Z]{2}")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
# An unescaped "+" arrives as a space.
_JSON: Final = frozenset({"json", "application/json", "application/fhir+json", "application/fhir json"})
_MODIFIERS: Final = {
    Kind.TOKEN: ("missing", "not"),
    Kind.REFERENCE: ("missing", "identifier", "[type]"),
    Kind.STRING: ("missing", "exact", "contains"),
    Kind.DATE: ("missing",),
}


class _ParameterError(Exception):
    """What is wrong with one pair, without its value."""


@dataclass(slots=True)
class _Draft:
    resource_type: str
    base: str
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    sort: SortKey = DEFAULT_SORT
    count: int = DEFAULT_COUNT
    count_only: bool = False
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
    draft = _Draft(resource_type, base)
    problems: list[Problem] = []
    understood: list[tuple[str, str]] = []
    once: set[str] = set()
    for key, value in pairs:
        try:
            if _take(draft, key, value, once, lenient=lenient) and key != "_cursor":
                understood.append((key, value))
        except _ParameterError as fault:
            problems.append(Problem(f"Parameter {_shown(key)}: {fault}"))
    if problems:
        raise InvalidElement(problems)
    return SearchQuery(
        resource_type=resource_type,
        criteria=tuple(draft.criteria),
        sort=draft.sort,
        count=0 if draft.count_only else draft.count,
        cursor=None if draft.cursor is None else decode_cursor(draft.cursor, draft.sort),
        includes=tuple(dict.fromkeys(draft.includes)),
        revincludes=tuple(dict.fromkeys(draft.revincludes)),
        total=draft.total,
        self_pairs=tuple(understood),
    )


def _take(draft: _Draft, key: str, value: str, once: set[str], *, lenient: bool) -> bool:
    """Read one pair into the draft; False when it is passed over."""
    name, _, modifier = key.partition(":")
    result_parameter = _RESULT_PARAMETERS.get(name)
    searched = parameter(draft.resource_type, name)
    if result_parameter is None and searched is None and name not in _COLUMNS:
        if lenient:
            return False
        raise _ParameterError(_unknown(draft.resource_type, name))
    if value == "":
        return False
    if len(value) > _MAX_VALUE:
        raise _ParameterError(f"its values may have {_MAX_VALUE} characters in all.")
    if not _storable(value):
        raise _ParameterError("a value may not hold a NUL or half a character.")
    if searched is not None:
        draft.criteria.append(_criterion(searched, modifier, value, draft))
        return True
    if modifier:
        raise _ParameterError("it takes no modifier here.")
    if result_parameter is None:
        draft.criteria.append(_COLUMNS[name](value))
        return True
    if name not in _REPEATED:
        if name in once:
            raise _ParameterError("it may be given once only.")
        once.add(name)
    result_parameter(draft, value)
    return True


# Criteria ---------------------------------------------------------------------------------------


def _criterion(searched: Parameter, modifier: str, value: str, draft: _Draft) -> Criterion:
    if modifier == "missing":
        if value not in ("true", "false"):
            raise _ParameterError("the modifier missing takes true or false.")
        target = None if searched.indexed else searched.targets[0]
        return MissingCriterion(searched.rows, searched.kind, value == "true", target)
    alternatives = _alternatives(value)
    match searched.kind, modifier:
        case Kind.TOKEN, "" | "not":
            return TokenCriterion(searched.rows, _tokens(searched, alternatives), modifier == "not")
        case Kind.REFERENCE, "identifier":
            return TokenCriterion(f"{searched.rows}:identifier", tuple(map(_token, alternatives)))
        case Kind.REFERENCE, _ if not modifier or _TYPE.fullmatch(modifier):
            if modifier and not searched.may_target(modifier):
                raise _ParameterError("it never refers to the type that the modifier names.")
            wanted = modifier or (searched.targets[0] if len(searched.targets) == 1 else None)
            references = tuple(_reference(_unescaped(text), wanted, draft.base) for text in alternatives)
            return ReferenceCriterion(searched.rows, references)
        case Kind.STRING, "" | "exact" | "contains":
            return _string(searched.rows, modifier, [_unescaped(text) for text in alternatives])
        case Kind.DATE, "":
            return DateCriterion(
                searched.rows,
                tuple((prefix, span.low, span.high) for prefix, span in map(_date, alternatives)),
            )
    known = ", ".join(f":{name}" for name in _MODIFIERS[searched.kind])
    raise _ParameterError(f"it does not have this modifier; it has {known}.")


def _tokens(searched: Parameter, texts: list[str]) -> tuple[tuple[str | None, str | None], ...]:
    tokens = [_token(text) for text in texts]
    if searched.system is None:
        return tuple(tokens)
    if searched.system == BOOLEAN and any(code not in ("true", "false") for _, code in tokens):
        raise _ParameterError("it takes true or false.")
    # The rows of plain codes have no system: another one than the implied matches nothing.
    return tuple((None, code) for system, code in tokens if system in (None, "", searched.system))


def _token(text: str) -> tuple[str | None, str | None]:
    """Forms `code`, `system|code`, `|code` and `system|`."""
    parts = [_unescaped(part) for part in _split(text, "|")]
    match parts:
        case [code]:
            return None, token_key(code)
        case [system, code] if system or code:
            return token_key(system), token_key(code) if code else None
    raise _ParameterError(r"a value is code, system|code, |code or system|; a | within is written \|.")


def _reference(text: str, wanted: str | None, base: str) -> tuple[str | None, str]:
    if ID.fullmatch(text):
        return wanted, text
    target = reference_key(text, base)
    if target is None:
        raise _ParameterError("a value is an id, Type/id or an address.")
    if wanted is not None and target[0] not in ("", wanted):
        raise _ParameterError(f"it takes references to {wanted} here.")
    return target


def _string(param: str, modifier: str, texts: list[str]) -> StringCriterion:
    if not all(fold(text) for text in texts):
        raise _ParameterError("a value is empty.")
    if modifier == "exact":
        return StringCriterion(param, tuple(string_key(text) for text in texts), StringMode.EXACT)
    mode = StringMode.CONTAINS if modifier == "contains" else StringMode.PREFIX
    return StringCriterion(param, tuple(folded_value(text) for text in texts), mode)


def _date(text: str) -> tuple[Prefix, Interval]:
    prefix = Prefix.EQ
    found = _PREFIX.match(text)
    if found:
        if found[0] not in list(Prefix):
            raise _ParameterError(f"a prefix is one of {', '.join(Prefix)}.")
        prefix, text = Prefix(found[0]), text[2:]
    try:
        span = interval(text)
    except ValueError:
        raise _ParameterError("a value is a date or time such as ge2024-05-31T08:00:00Z.") from None
    return prefix, widened(span) if prefix is Prefix.AP else span


def _last_updated(value: str) -> LastUpdatedCriterion:
    ranges = []
    for prefix, span in map(_date, _alternatives(value)):
        match prefix:
            case Prefix.EQ | Prefix.AP:
                ranges.append((span.low, span.high))
            case Prefix.NE:
                ranges.extend([(BEGINNING, span.low), (span.high, END)])
            case Prefix.GT | Prefix.SA:
                ranges.append((span.high, END))
            case Prefix.GE:
                ranges.append((span.low, END))
            case Prefix.LT | Prefix.EB:
                ranges.append((BEGINNING, span.low))
            case Prefix.LE:
                ranges.append((BEGINNING, span.high))
    return LastUpdatedCriterion(tuple(ranges))


def _ids(value: str) -> IdCriterion:
    ids = tuple(_alternatives(value))
    if not all(ID.fullmatch(text) for text in ids):
        raise _ParameterError("a value is an id: letters, digits, - and ., 64 at most.")
    return IdCriterion(ids)


_COLUMNS: Final[dict[str, Callable[[str], Criterion]]] = {"_id": _ids, "_lastUpdated": _last_updated}


# Result parameters ------------------------------------------------------------------------------


def _count(draft: _Draft, value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise _ParameterError("it is a number of matches, 0 or more.")
    draft.count = min(int(value), MAX_COUNT)


def _summary(draft: _Draft, value: str) -> None:
    if value not in ("count", "false"):
        raise _ParameterError("only count and false are supported.")
    draft.count_only = value == "count"


def _sort(draft: _Draft, value: str) -> None:
    name = value.removeprefix("-")
    dated = parameter(draft.resource_type, name)
    if name not in _COLUMNS and (dated is None or dated.kind is not Kind.DATE):
        sortable = [each.name for each in PARAMETERS[draft.resource_type] if each.kind is Kind.DATE]
        raise _ParameterError(f"one of {', '.join([*_COLUMNS, *sortable])}, descending with - before it.")
    draft.sort = SortKey(name, value.startswith("-"))


def _total(draft: _Draft, value: str) -> None:
    if value not in list(Total):
        raise _ParameterError(f"it is one of {', '.join(Total)}.")
    draft.total = Total(value)


def _include(draft: _Draft, value: str) -> None:
    include = _reference_path(value)
    if include.source != draft.resource_type:
        raise _ParameterError("it starts at the type that is searched.")
    draft.includes.append(include)


def _revinclude(draft: _Draft, value: str) -> None:
    include = _reference_path(value)
    named = parameter(include.source, value.split(":")[1])
    if named is None or not named.may_target(draft.resource_type):
        raise _ParameterError("this parameter never refers to the type that is searched.")
    if include.target not in (None, draft.resource_type):
        raise _ParameterError("its target is the type that is searched.")
    draft.revincludes.append(Include(include.source, include.param, draft.resource_type))


def _reference_path(value: str) -> Include:
    source, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    followed = parameter(source, name)
    if followed is None or followed.kind is not Kind.REFERENCE:
        raise _ParameterError("a value is Type:parameter or Type:parameter:Target, of a reference parameter.")
    if target and not (_TYPE.fullmatch(target) and followed.may_target(target)):
        raise _ParameterError("the parameter never refers to the target type that the value names.")
    only = None if followed.indexed else followed.targets[0]
    return Include(source, followed.rows, target or only)


def _cursor(draft: _Draft, value: str) -> None:
    draft.cursor = value


def _format(_draft: _Draft, value: str) -> None:
    if value not in _JSON:
        raise _ParameterError("the service speaks JSON only.")


def _pretty(_draft: _Draft, value: str) -> None:
    if value not in ("true", "false"):
        raise _ParameterError("it is true or false.")


_REPEATED: Final = frozenset({"_include", "_revinclude"})
_RESULT_PARAMETERS: Final[dict[str, Callable[[_Draft, str], None]]] = {
    "_count": _count,
    "_cursor": _cursor,
    "_format": _format,
    "_include": _include,
    "_pretty": _pretty,
    "_revinclude": _revinclude,
    "_sort": _sort,
    "_summary": _summary,
    "_total": _total,
}


# Texts ------------------------------------------------------------------------------------------


def _alternatives(value: str) -> list[str]:
    """The parts between unescaped commas, still escaped."""
    parts = _split(value, ",")
    if len(parts) > _MAX_ALTERNATIVES:
        raise _ParameterError(f"at most {_MAX_ALTERNATIVES} values are taken.")
    if not all(part.strip() for part in parts):
        raise _ParameterError("one of the values is empty.")
    if any(len(part) > _MAX_LENGTH for part in parts):
        raise _ParameterError(f"a value may have {_MAX_LENGTH} characters.")
    return parts


def _split(text: str, separator: str) -> list[str]:
    if "\\" not in text:
        return text.split(separator)
    parts, start, escaped = [], 0, False
    for position, character in enumerate(text):
        if character == separator and not escaped:
            parts.append(text[start:position])
            start = position + 1
        escaped = character == "\\" and not escaped
    return [*parts, text[start:]]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escaped_character, text)


def _escaped_character(match: re.Match[str]) -> str:
    if match[1] not in (",", "|", "$", "\\"):
        raise _ParameterError(r"a backslash stands only before , | $ or another backslash.")
    return match[1]


def _storable(text: str) -> bool:
    return _UNSTORABLE.search(text) is None


def _shown(key: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in key[:60])


def _unknown(resource_type: str, name: str) -> str:
    if "." in name or name == "_has":
        return "chained search is not supported."
    names = [each.name for each in PARAMETERS[resource_type]]
    return f"unknown for {resource_type}; it has {', '.join([*_COLUMNS, *names])}."
