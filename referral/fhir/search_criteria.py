"""Reading one criterion of a search: parameter, modifier and value in, `Criterion` out.

https://hl7.org/fhir/R4/search.html#ptypes. No message repeats a value, which may be about a patient.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from referral.domain.search import (
    OWED_OF_OFFER,
    URI_SYSTEM,
    AnyCriterion,
    Criterion,
    DateCriterion,
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
from referral.fhir.intervals import BEGINNING, END, Interval, interval, widened
from referral.fhir.parameters import Parameter
from referral.fhir.primitives import ID
from referral.fhir.search_index import composite_rows, folded_value, reference_key, string_key
from referral.fhir.search_measures import read_place, read_quantity
from referral.fhir.search_texts import PREFIX, ParameterError, alternatives_of, split, unescaped
from referral.fhir.systems import BOOLEAN
from referral.fhir.text_keys import fold, token_key

TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")

MODIFIERS: Final = {
    Kind.TOKEN: ("missing", "not"),
    Kind.REFERENCE: ("missing", "identifier", "[type]"),
    Kind.STRING: ("missing", "exact", "contains"),
    Kind.DATE: ("missing",),
    Kind.QUANTITY: ("missing",),
    Kind.URI: ("missing", "below"),
    Kind.SPECIAL: ("missing",),
    Kind.COMPOSITE: (),
}
"""What may follow the name of a parameter, after a colon; `[type]` is the name of a type."""


def modifiers_of(searched: Parameter) -> tuple[str, ...]:
    """What may follow this parameter. What is owed is no element, and is not named by an identifier."""
    if searched.owed:
        return ("missing",) if searched.kind is Kind.DATE else ("missing", "not")
    return MODIFIERS[searched.kind]


def read_criterion(searched: Parameter, modifier: str, value: str, base: str) -> Criterion:
    """What one pair of a search asks of a resource. base: address of our FHIR endpoint.

    Raises ParameterError for a modifier that the parameter does not have, or a value of another form.
    """
    known = modifiers_of(searched)
    named = searched.kind is Kind.REFERENCE and TYPE.fullmatch(modifier)
    if modifier and modifier not in known and not named:
        shown = ", ".join(f":{name}" for name in known) or "none"
        raise ParameterError(f"it does not have this modifier; it has {shown}.")
    if modifier == "missing":
        if value not in ("true", "false"):
            raise ParameterError("the modifier missing takes true or false.")
        if searched.owed:
            return OwedCriterion(_by_offer(searched), Owed(searched.name), negated=value == "true")
        if searched.told:
            return HubCriterion(searched.name, None, value == "true")
        target = None if searched.indexed else searched.targets[0]
        return MissingCriterion(searched.rows, searched.kind, value == "true", target)
    texts = alternatives_of(value)
    if searched.owed:
        return _owed_criterion(searched, modifier, texts, base)
    return _READERS[searched.kind](searched, modifier, texts, base)


def _by_offer(searched: Parameter) -> bool:
    return searched.rows == OWED_OF_OFFER


def _owed_criterion(searched: Parameter, modifier: str, texts: list[str], base: str) -> Criterion:
    what, by_offer = Owed(searched.name), _by_offer(searched)
    if searched.kind is Kind.DATE:
        spans = map(_date, texts)
        return OwedCriterion(
            by_offer, what, comparisons=tuple((prefix, span.low, span.high) for prefix, span in spans)
        )
    if searched.kind is Kind.REFERENCE:
        found = [_reference(unescaped(text), "Organization", base) for text in texts]
        codes = tuple(target for kind, target in found if kind == "Organization")
    else:
        codes = tuple(code for _, code in _tokens(searched, texts) if code)
    return OwedCriterion(by_offer, what, codes, negated=modifier == "not")


def _token_criterion(searched: Parameter, modifier: str, texts: list[str], _base: str) -> Criterion:
    found = _tokens(searched, texts)
    if searched.told:
        return HubCriterion(searched.name, tuple(code for _, code in found if code), modifier == "not")
    return TokenCriterion(searched.rows, found, modifier == "not")


def _reference_criterion(searched: Parameter, modifier: str, texts: list[str], base: str) -> Criterion:
    if modifier == "identifier":
        return TokenCriterion(f"{searched.rows}:identifier", tuple(map(_token, texts)))
    if modifier and not searched.may_target(modifier):
        raise ParameterError("it never refers to the type that the modifier names.")
    wanted = modifier or (searched.targets[0] if len(searched.targets) == 1 else None)
    return ReferenceCriterion(
        searched.rows, tuple(_reference(unescaped(text), wanted, base) for text in texts)
    )


def _date_criterion(searched: Parameter, _modifier: str, texts: list[str], _base: str) -> Criterion:
    spans = map(_date, texts)
    return DateCriterion(searched.rows, tuple((prefix, span.low, span.high) for prefix, span in spans))


def _quantity_criterion(searched: Parameter, _modifier: str, texts: list[str], _base: str) -> Criterion:
    return QuantityCriterion(searched.rows, tuple(map(read_quantity, texts)))


def _uri_criterion(searched: Parameter, modifier: str, texts: list[str], _base: str) -> Criterion:
    addresses = [unescaped(text) for text in texts]
    if modifier == "below":
        return UriCriterion(searched.rows, tuple(addresses))
    return TokenCriterion(searched.rows, tuple((URI_SYSTEM, token_key(address)) for address in addresses))


def _near_criterion(searched: Parameter, _modifier: str, texts: list[str], _base: str) -> Criterion:
    return NearCriterion(searched.rows, tuple(map(read_place, texts)))


def _pair_criterion(searched: Parameter, _modifier: str, texts: list[str], base: str) -> Criterion:
    return AnyCriterion(tuple(_pair(searched.name, text, base) for text in texts))


def _tokens(searched: Parameter, texts: list[str]) -> tuple[tuple[str | None, str | None], ...]:
    tokens = [_token(text) for text in texts]
    if searched.system is None:
        return tuple(tokens)
    if searched.system == BOOLEAN and any(code not in ("true", "false") for _, code in tokens):
        raise ParameterError("it takes true or false.")
    if searched.codes and any(code is not None and code not in searched.codes for _, code in tokens):
        # An empty worklist is no answer to a typing error.
        raise ParameterError(f"it takes {', '.join(searched.codes)}.")
    # The rows of plain codes have no system: another one than the implied matches nothing.
    return tuple((None, code) for system, code in tokens if system in (None, "", searched.system))


def _token(text: str) -> tuple[str | None, str | None]:
    """Forms `code`, `system|code`, `|code` and `system|`."""
    parts = [unescaped(part) for part in split(text, "|")]
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


def _pair(name: str, text: str, base: str) -> ReferenceCriterion:
    """`code$reference` of a composite."""
    match split(text, "$"):
        case [coded, referring] if coded and referring:
            _, code = _token(coded)
            target = _reference(unescaped(referring), None, base)
            return ReferenceCriterion(composite_rows(name, code or ""), (target,))
    raise ParameterError("a value is code$reference.")


def _string_criterion(searched: Parameter, modifier: str, values: list[str], _base: str) -> Criterion:
    texts = [unescaped(value) for value in values]
    if not all(fold(text) for text in texts):
        raise ParameterError("a value is empty.")
    if modifier == "exact":
        keys = tuple(string_key(text, phonetic=searched.phonetic) for text in texts)
        return StringCriterion(searched.rows, keys, StringMode.EXACT)
    mode = StringMode.CONTAINS if modifier == "contains" else StringMode.PREFIX
    found = tuple(folded_value(text, phonetic=searched.phonetic) for text in texts)
    return StringCriterion(searched.rows, found, mode)


def _date(text: str) -> tuple[Prefix, Interval]:
    prefix = Prefix.EQ
    found = PREFIX.match(text)
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
    read = map(_date, alternatives_of(value))
    ranges = [each for prefix, span in read for each in ranges_of(prefix, span.low, span.high)]
    return LastUpdatedCriterion(tuple(ranges))


def ranges_of(prefix: Prefix, low: datetime, high: datetime) -> list[tuple[datetime, datetime]]:
    """When a moment meets a comparison with the interval [low, high): from (within), until (without)."""
    match prefix:
        case Prefix.EQ | Prefix.AP:
            return [(low, high)]
        case Prefix.NE:
            return [(BEGINNING, low), (high, END)]
        case Prefix.GT | Prefix.SA:
            return [(high, END)]
        case Prefix.GE:
            return [(low, END)]
        case Prefix.LT | Prefix.EB:
            return [(BEGINNING, low)]
        case Prefix.LE:
            return [(BEGINNING, high)]


def _ids(value: str) -> IdCriterion:
    ids = tuple(alternatives_of(value))
    if not all(ID.fullmatch(text) for text in ids):
        raise ParameterError("a value is an id: letters, digits, - and ., 64 at most.")
    return IdCriterion(ids)


COLUMNS: Final[dict[str, Callable[[str], Criterion]]] = {"_id": _ids, "_lastUpdated": _last_updated}
"""Parameters of every type that are columns of the store, and what reads their value."""

_READERS: Final[dict[Kind, Callable[[Parameter, str, list[str], str], Criterion]]] = {
    Kind.TOKEN: _token_criterion,
    Kind.REFERENCE: _reference_criterion,
    Kind.STRING: _string_criterion,
    Kind.DATE: _date_criterion,
    Kind.QUANTITY: _quantity_criterion,
    Kind.URI: _uri_criterion,
    Kind.SPECIAL: _near_criterion,
    Kind.COMPOSITE: _pair_criterion,
}
