"""Reading one criterion of a search: parameter, modifier and value in, `Criterion` out.

https://hl7.org/fhir/R4/search.html#ptypes. No message repeats a value, which may be about a patient.
"""

import re
from collections.abc import Callable
from typing import Final

from referral.domain.search import (
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
)
from referral.fhir.intervals import BEGINNING, END, Interval, interval, widened
from referral.fhir.parameters import Parameter
from referral.fhir.primitives import ID
from referral.fhir.search_index import folded_value, reference_key, string_key
from referral.fhir.systems import BOOLEAN
from referral.fhir.text_keys import fold, token_key

TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")

_MAX_ALTERNATIVES: Final = 500
_MAX_LENGTH: Final = 1000
_PREFIX: Final = re.compile(r"[a-zA-Z]{2}")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_MODIFIERS: Final = {
    Kind.TOKEN: ("missing", "not"),
    Kind.REFERENCE: ("missing", "identifier", "[type]"),
    Kind.STRING: ("missing", "exact", "contains"),
    Kind.DATE: ("missing",),
}


class ParameterError(Exception):
    """What is wrong with one pair of a search, without its value."""


def read_criterion(searched: Parameter, modifier: str, value: str, base: str) -> Criterion:
    """What one pair of a search asks of a resource. base: address of our FHIR endpoint.

    Raises ParameterError for a modifier that the parameter does not have, or a value of another form.
    """
    if modifier == "missing":
        if value not in ("true", "false"):
            raise ParameterError("the modifier missing takes true or false.")
        target = None if searched.indexed else searched.targets[0]
        return MissingCriterion(searched.rows, searched.kind, value == "true", target)
    alternatives = _alternatives(value)
    match searched.kind, modifier:
        case Kind.TOKEN, "" | "not":
            return TokenCriterion(searched.rows, _tokens(searched, alternatives), modifier == "not")
        case Kind.REFERENCE, "identifier":
            return TokenCriterion(f"{searched.rows}:identifier", tuple(map(_token, alternatives)))
        case Kind.REFERENCE, _ if not modifier or TYPE.fullmatch(modifier):
            if modifier and not searched.may_target(modifier):
                raise ParameterError("it never refers to the type that the modifier names.")
            wanted = modifier or (searched.targets[0] if len(searched.targets) == 1 else None)
            references = tuple(_reference(_unescaped(text), wanted, base) for text in alternatives)
            return ReferenceCriterion(searched.rows, references)
        case Kind.STRING, "" | "exact" | "contains":
            return _string(searched.rows, modifier, [_unescaped(text) for text in alternatives])
        case Kind.DATE, "":
            return DateCriterion(
                searched.rows,
                tuple((prefix, span.low, span.high) for prefix, span in map(_date, alternatives)),
            )
    known = ", ".join(f":{name}" for name in _MODIFIERS[searched.kind])
    raise ParameterError(f"it does not have this modifier; it has {known}.")


def _tokens(searched: Parameter, texts: list[str]) -> tuple[tuple[str | None, str | None], ...]:
    tokens = [_token(text) for text in texts]
    if searched.system is None:
        return tuple(tokens)
    if searched.system == BOOLEAN and any(code not in ("true", "false") for _, code in tokens):
        raise ParameterError("it takes true or false.")
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
    raise ParameterError(r"a value is code, system|code, |code or system|; a | within is written \|.")


def _reference(text: str, wanted: str | None, base: str) -> tuple[str | None, str]:
    if ID.fullmatch(text):
        return wanted, text
    target = reference_key(text, base)
    if target is None:
        raise ParameterError("a value is an id, Type/id or an address.")
    if wanted is not None and target[0] not in ("", wanted):
        raise ParameterError(f"it takes references to {wanted} here.")
    return target


def _string(param: str, modifier: str, texts: list[str]) -> StringCriterion:
    if not all(fold(text) for text in texts):
        raise ParameterError("a value is empty.")
    if modifier == "exact":
        return StringCriterion(param, tuple(string_key(text) for text in texts), StringMode.EXACT)
    mode = StringMode.CONTAINS if modifier == "contains" else StringMode.PREFIX
    return StringCriterion(param, tuple(folded_value(text) for text in texts), mode)


def _date(text: str) -> tuple[Prefix, Interval]:
    prefix = Prefix.EQ
    found = _PREFIX.match(text)
    if found:
        if found[0] not in list(Prefix):
            raise ParameterError(f"a prefix is one of {', '.join(Prefix)}.")
        prefix, text = Prefix(found[0]), text[2:]
    try:
        span = interval(text)
    except ValueError:
        raise ParameterError("a value is a date or time such as ge2024-05-31T08:00:00Z.") from None
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
        raise ParameterError("a value is an id: letters, digits, - and ., 64 at most.")
    return IdCriterion(ids)


COLUMNS: Final[dict[str, Callable[[str], Criterion]]] = {"_id": _ids, "_lastUpdated": _last_updated}
"""Parameters of every type that are columns of the store, and what reads their value."""


def _alternatives(value: str) -> list[str]:
    """The parts between unescaped commas, still escaped."""
    parts = _split(value, ",")
    if len(parts) > _MAX_ALTERNATIVES:
        raise ParameterError(f"at most {_MAX_ALTERNATIVES} values are taken.")
    if not all(part.strip() for part in parts):
        raise ParameterError("one of the values is empty.")
    if any(len(part) > _MAX_LENGTH for part in parts):
        raise ParameterError(f"a value may have {_MAX_LENGTH} characters.")
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
        raise ParameterError(r"a backslash stands only before , | $ or another backslash.")
    return match[1]
