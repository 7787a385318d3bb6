"""The rows under which a resource is found: content in, values of the search tables out.

Matching rules: https://hl7.org/fhir/R4/search.html#ptypes. Pure and total: whatever the content,
elements of another form than the parameter expects are passed over.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from referral.domain.search import STRING_SEPARATOR, URI_SYSTEM, Kind
from referral.fhir.intervals import Interval, date_or_none, period
from referral.fhir.measures import point, quantity_rows
from referral.fhir.parameters import PARAMETERS, Parameter
from referral.fhir.sounds import sound
from referral.fhir.text_keys import fold, token_key

_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
_DATE_FORMS: Final = ("DateTime", "Period", "Instant", "Timing")
_STRING_PARTS: Final = (
    *("text", "family", "given", "prefix", "suffix"),
    *("line", "city", "district", "state", "postalCode", "country"),
)
_STRING_CHARACTERS: Final = 200
_RARE: Final = {Kind.QUANTITY: "quantities", Kind.SPECIAL: "positions"}


@dataclass(frozen=True, slots=True)
class IndexRows:
    """Rows of one resource, each once, in a stable order.

    - tokens: (parameter, system or '', code or '')
    - references: (parameter, target type, target id); ('', address) where the target is not here,
      ('', '') where it is unknown. The identifier of a reference is the token `<parameter>:identifier`.
    - dates: (parameter, low, high), aware, half-open
    - strings: (parameter, `string_key`)
    - quantities: (parameter, system or '', code or unit or '', low, high), both bounds within, or infinite
    - positions: (parameter, latitude, longitude) in degrees

    Addresses are tokens of `URI_SYSTEM`. A composite is a reference of the parameter `<name>:<code>`.
    A coded element without a code and a reference without a known target leave a row of empty texts,
    so that `:missing` tells the truth.
    """

    tokens: list[tuple[str, str, str]] = field(default_factory=list)
    references: list[tuple[str, str, str]] = field(default_factory=list)
    dates: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    strings: list[tuple[str, str]] = field(default_factory=list)
    quantities: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    positions: list[tuple[str, float, float]] = field(default_factory=list)


def index_rows(
    resource_type: str,
    content: Mapping[str, Any],
    *,
    base: str,
    resolved: Mapping[tuple[str, str], tuple[str, str]] | None = None,
) -> IndexRows:
    """Index rows of a resource of a stored type.

    `base` is the address of our FHIR endpoint: references under it are ours. `resolved` gives the
    (type, id) of identifiers (system, value) that stand in references without an address.
    """
    rows, targets = IndexRows(), _Targets(base, resolved or {})
    for parameter, names in _indexed(resource_type):
        # A resource has few of the elements that its type could have.
        if parameter.presence or not names.isdisjoint(content):
            found = [element for path in parameter.paths for element in _elements(content, path)]
            _ADD[parameter.kind](rows, parameter, found, targets)
    return IndexRows(
        list(dict.fromkeys(rows.tokens)),
        list(dict.fromkeys(rows.references)),
        list(dict.fromkeys(rows.dates)),
        list(dict.fromkeys(rows.strings)),
        list(dict.fromkeys(rows.quantities)),
        list(dict.fromkeys(rows.positions)),
    )


@cache
def rare_rows(resource_type: str) -> frozenset[str]:
    """The parts of `IndexRows` that only some types have: those that this one may have."""
    kinds = {parameter.kind for parameter in PARAMETERS[resource_type]}
    return frozenset(name for kind, name in _RARE.items() if kind in kinds)


@cache
def _indexed(resource_type: str) -> tuple[tuple[Parameter, frozenset[str]], ...]:
    """The parameters that have index rows, each with the elements of the resource where its paths begin."""
    return tuple(
        (parameter, frozenset(name for path in parameter.paths for name in _steps(path)[0][0]))
        for parameter in PARAMETERS[resource_type]
        if parameter.indexed
    )


def string_key(text: str, *, phonetic: bool = False) -> str:
    """What stands in `search_string`: the folded text, or its sound, `STRING_SEPARATOR`, the text itself.

    One column so serves all three searches: a prefix is the start of the key, `:exact` the whole key
    and `:contains` a part of what is before the separator. Cut to what a btree holds.
    """
    return f"{folded_value(text, phonetic=phonetic)}{STRING_SEPARATOR}{token_key(text)}"


def folded_value(text: str, *, phonetic: bool = False) -> str:
    """A search value to compare with the folded part of `string_key`."""
    return (sound(text) if phonetic else fold(text))[:_STRING_CHARACTERS]


def reference_target(text: str, base: str) -> tuple[str, str] | None:
    """(type, id) of a reference to this service: `Type/id`, or an address under `base`, of a version too.

    None for anything else.
    """
    match = _LOCAL.fullmatch(text) or _LOCAL.fullmatch(text.removeprefix(base.rstrip("/") + "/"))
    return None if match is None else (match[1], match[2])


def reference_key(text: str, base: str) -> tuple[str, str] | None:
    """What stands in `search_reference`: (type, id), or ('', address) of a target outside.

    None for what is neither: a contained resource, a bare id.
    """
    return reference_target(text, base) or (("", token_key(text)) if ":" in text else None)


def composite_rows(name: str, code: str) -> str:
    """The parameter under which the references of a composite stand that have this code."""
    return f"{name}:{code}"


@dataclass(frozen=True, slots=True)
class _Targets:
    """What references stand for, as `index_rows` is told."""

    base: str
    resolved: Mapping[tuple[str, str], tuple[str, str]]

    def of(self, reference: dict[str, Any]) -> tuple[str, str]:
        literal, identifier = reference.get("reference"), reference.get("identifier")
        if isinstance(literal, str):
            return reference_key(literal, self.base) or ("", "")
        if isinstance(identifier, dict):
            system, value = identifier.get("system", ""), identifier.get("value")
            if isinstance(system, str) and isinstance(value, str):
                return self.resolved.get((system, value), ("", ""))
        return ("", "")


_Add = Callable[[IndexRows, Parameter, list[Any], _Targets], None]


def _add_tokens(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    if parameter.presence:
        present = any(element is not False for element in found)
        rows.tokens.append((parameter.name, "", "true" if present else "false"))
    else:
        rows.tokens.extend([(parameter.name, *token) for element in found for token in _tokens(element)])


def _add_strings(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    texts = [text for element in found for text in _strings(element)]
    rows.strings.extend([(parameter.name, string_key(text, phonetic=parameter.phonetic)) for text in texts])


def _add_dates(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    spans = [span for element in found if (span := _span(element)) is not None]
    rows.dates.extend([(parameter.name, span.low, span.high) for span in spans])


def _add_references(rows: IndexRows, parameter: Parameter, found: list[Any], targets: _Targets) -> None:
    name = parameter.name
    for reference in found:
        if isinstance(reference, dict):
            identifiers = _tokens(reference.get("identifier"))
            rows.tokens.extend([(f"{name}:identifier", *token) for token in identifiers])
            rows.references.append((name, *targets.of(reference)))
        elif isinstance(reference, str):
            rows.references.extend([(name, *key) for key in _canonical(reference, targets.base)])


def _add_quantities(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    rows.quantities.extend([(parameter.name, *row) for element in found for row in quantity_rows(element)])


def _add_addresses(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    addresses = [token_key(element) for element in found if isinstance(element, str)]
    rows.tokens.extend([(parameter.name, URI_SYSTEM, address) for address in addresses])


def _add_positions(rows: IndexRows, parameter: Parameter, found: list[Any], _targets: _Targets) -> None:
    rows.positions.extend([(parameter.name, *place) for element in found if (place := point(element))])


def _add_pairs(rows: IndexRows, parameter: Parameter, found: list[Any], targets: _Targets) -> None:
    coded, referring = parameter.parts or ("", "")
    for element in found:
        if isinstance(element, dict) and isinstance(reference := element.get(referring), dict):
            for _, code in _tokens(element.get(coded)):
                rows.references.append((composite_rows(parameter.name, code), *targets.of(reference)))


_ADD: Final[Mapping[Kind, _Add]] = {
    Kind.TOKEN: _add_tokens,
    Kind.STRING: _add_strings,
    Kind.DATE: _add_dates,
    Kind.REFERENCE: _add_references,
    Kind.QUANTITY: _add_quantities,
    Kind.URI: _add_addresses,
    Kind.SPECIAL: _add_positions,
    Kind.COMPOSITE: _add_pairs,
}


def _elements(content: object, path: str) -> list[Any]:
    found = [content]
    for names, system in _steps(path):
        found = [
            child
            for parent in found
            if isinstance(parent, dict)
            for name in names
            if name in parent
            for child in _children(parent[name])
        ]
        if system:
            found = [child for child in found if isinstance(child, dict) and child.get("system") == system]
    return found


@cache
def _steps(path: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """For every segment of a path the names of the element and the `system` it must have ('': any)."""
    steps = []
    for segment in path.split("."):
        stem, _, selector = segment.removesuffix("]").partition("[")
        if selector == "x":
            steps.append((tuple(stem + form for form in _DATE_FORMS), ""))
        elif selector[:1].isupper():
            steps.append(((stem + selector,), ""))
        else:
            steps.append(((stem,), selector))
    return tuple(steps)


def _children(value: object) -> list[Any]:
    if isinstance(value, list):
        return [child for child in value if child is not None]
    return [] if value is None else [value]


def _tokens(element: Any) -> list[tuple[str, str]]:
    if isinstance(element, dict):
        codings = element.get("coding")
        if isinstance(codings, list):
            return [token for coding in codings if isinstance(coding, dict) for token in _tokens(coding)]
        return [(_text(element.get("system")), _text(element.get("code", element.get("value"))))]
    if isinstance(element, str):
        return [("", token_key(element))]
    if isinstance(element, bool):
        return [("", "true" if element else "false")]
    return []


def _text(value: Any) -> str:
    return token_key(value) if isinstance(value, str) else ""


def _strings(element: Any) -> list[str]:
    """Searchable texts of a string, a HumanName or an Address.

    A name without `text` is also found as a whole, in both orders of family and given names.
    """
    if isinstance(element, str):
        return [element]
    if not isinstance(element, dict):
        return []
    parts = {part: _texts(element.get(part)) for part in _STRING_PARTS}
    whole = []
    if not parts["text"] and parts["family"] and parts["given"]:
        whole = [" ".join(parts["family"] + parts["given"]), " ".join(parts["given"] + parts["family"])]
    return [text for texts in parts.values() for text in texts] + whole


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _span(element: Any) -> Interval | None:
    """Interval of a date, a Period, or a Timing: of its events and bounds only the outer ends count."""
    if isinstance(element, str):
        return date_or_none(element)
    if not isinstance(element, dict):
        return None
    spans = [date_or_none(event) for event in _texts(element.get("event"))]
    bounds = _elements(element, "repeat.boundsPeriod")
    spans += [
        period(span.get("start"), span.get("end")) for span in [element, *bounds] if isinstance(span, dict)
    ]
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return Interval(min(span.low for span in known), max(span.high for span in known))


def _canonical(text: str, base: str) -> list[tuple[str, str]]:
    """Keys of a canonical address: as it is, and without the version where it has one."""
    texts = dict.fromkeys((text, text.partition("|")[0]))
    return [reference_key(each, base) or ("", "") for each in texts]
