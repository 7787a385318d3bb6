"""Is a resource R4? All that is wrong with it is told at once, each with its FHIRPath.

https://hl7.org/fhir/R4/json.html and the structure of each type. What is checked: known elements at
every depth, JSON types and repetition, forms of primitives, nothing empty, choices, codes of required
bindings, required elements, references with content, contained resources. Profiles and the rules of
referral are checked elsewhere.
"""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from referral.domain.errors import InvalidElement, MissingElement, Problem, UnknownCode
from referral.fhir.structure import Element, Structure, structure_of_model, structure_of_type

MAX_PROBLEMS: Final = 100

_NAME: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")
_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]*)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")
_REFERENCE_CONTENT: Final = frozenset(
    {"reference", "_reference", "identifier", "display", "_display", "extension"}
)


def check_resource(resource_type: str, content: dict[str, Any]) -> None:
    """Check content, as `read_content` gives it, against the R4 type.

    Also takes what is never stored but sent: Bundle, Parameters.
    Raises InvalidElement when an element is unknown or of the wrong form, else UnknownCode when a code
    is outside its required value set, else MissingElement; at most `MAX_PROBLEMS` problems of all
    three kinds are listed, in that order.
    """
    walk = _Walk()
    walk.outermost(resource_type, content)
    problems = (walk.invalid + walk.unknown_codes + walk.missing)[:MAX_PROBLEMS]
    if walk.invalid:
        raise InvalidElement(problems)
    if walk.unknown_codes:
        raise UnknownCode(problems)
    if walk.missing:
        raise MissingElement(problems)


class _Walk:
    """One pass over a resource, collecting problems by kind."""

    def __init__(self) -> None:
        self.invalid: list[Problem] = []
        self.unknown_codes: list[Problem] = []
        self.missing: list[Problem] = []
        # References to `#id` of the resource in hand; entries of a Bundle each have their own.
        self._local: list[tuple[str, str]] = []

    def outermost(self, resource_type: str, content: dict[str, Any]) -> None:
        if content.get("resourceType") != resource_type:
            self._refuse(f"The resourceType must be {resource_type}.", f"{resource_type}.resourceType")
        else:
            self._resource(content, resource_type)

    def _resource(self, value: Any, path: str) -> None:
        outer, self._local = self._local, []
        self._resource_fields(value, path)
        contained = value.get("contained") if isinstance(value, dict) else None
        found = {inner.get("id") for inner in _objects(contained) if isinstance(inner.get("id"), str)}
        for target, place in self._local:
            if target not in found:
                self._refuse("The reference is to a contained resource that is not there.", place)
        self._local = outer

    def _contained(self, value: Any, path: str) -> None:
        # https://hl7.org/fhir/R4/domainresource.html dom-2
        if isinstance(value, dict) and "contained" in value:
            self._refuse("A contained resource must not contain another.", f"{path}.contained")
        self._resource_fields(value, path)

    def _resource_fields(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self._refuse("Must be a resource: an object.", path)
            return
        named = value.get("resourceType")
        structure = structure_of_type(named) if isinstance(named, str) else None
        if structure is None:
            self._refuse("The resourceType must be a resource type of R4.", f"{path}.resourceType")
        else:
            self._fields(structure, value, path)

    def _object(self, element: Element, value: Any, path: str) -> None:
        structure = structure_of_model(element.model)
        if not isinstance(value, dict):
            self._refuse("Must be an object.", path)
            return
        if not value:
            self._refuse("Must not be an empty object.", path)
            return
        self._fields(structure, value, path)
        if structure.name == "Reference":
            self._reference(element, value, path)
        elif structure.name == "Extension":
            self._extension(value, path)
        if element.concept:
            self._concept(element.concept, value, path)

    def _fields(self, structure: Structure, value: dict[str, Any], path: str) -> None:
        chosen: dict[str, str] = {}
        elements = structure.elements
        for name, inner in value.items():
            element = elements.get(name)
            if element is None:
                self._unknown(name, path)
                continue
            place = f"{path}.{element.segment}"
            if element.choice and chosen.setdefault(element.segment, name.lstrip("_")) != name.lstrip("_"):
                self._refuse(f"Only one type of {element.segment}[x] may be given.", place)
            if element.many:
                self._list(element, inner, value.get(element.sibling), place)
            elif inner is None:
                self._refuse("Must not be null.", place)
            else:
                self._single(element, inner, value.get(element.sibling), place)
        for segment, names in structure.required.items():
            if value.keys().isdisjoint(names):
                self._note(self.missing, f"The element {segment} is required.", f"{path}.{segment}")

    def _list(self, element: Element, values: Any, siblings: Any, path: str) -> None:
        if not isinstance(values, list):
            self._refuse("Must be an array.", path)
            return
        if not values:
            self._refuse("Must not be an empty array.", path)
        beside = siblings[: len(values)] if isinstance(siblings, list) else ()
        for index, (value, sibling) in enumerate(zip_longest(values, beside)):
            place = f"{path}[{index}]"
            if value is not None:
                self._single(element, value, sibling, place)
            elif sibling is None:
                # A null only keeps the place of a value beside its extensions, or the reverse.
                self._refuse("Must not be null.", place)

    def _single(self, element: Element, value: Any, sibling: Any, path: str) -> None:
        if element.check:
            if fault := element.check(value):
                self._refuse(fault, path)
            elif element.codes and value not in element.codes:
                known = ", ".join(sorted(element.codes))
                self._note(self.unknown_codes, f"The code must be one of: {known}.", path)
        elif element.resource:
            if element.segment == "contained":
                self._contained(value, path)
            else:
                self._resource(value, path)
        else:
            self._object(element, value, path)
            # https://hl7.org/fhir/R4/element.html ele-1: an element has a value or children besides id
            if sibling is None and isinstance(value, dict) and value.keys() == {"id"}:
                self._refuse("Must hold more than an id.", path)

    def _reference(self, element: Element, value: dict[str, Any], path: str) -> None:
        # https://hl7.org/fhir/R4/references.html#Reference
        if _REFERENCE_CONTENT.isdisjoint(value):
            self._note(
                self.missing,
                "A reference needs a reference, an identifier or a display.",
                f"{path}.reference",
            )
        literal = value.get("reference")
        if not isinstance(literal, str):
            return
        if literal.startswith("#") and literal != "#":
            self._local.append((literal[1:], f"{path}.reference"))
        relative = _RELATIVE.fullmatch(literal)
        if relative and element.targets and relative[1] not in element.targets:
            known = ", ".join(sorted(element.targets))
            self._refuse(f"The reference must be to one of: {known}.", f"{path}.reference")

    def _extension(self, value: dict[str, Any], path: str) -> None:
        # https://hl7.org/fhir/R4/extensibility.html ext-1
        has_value = any(name.startswith(("value", "_value")) for name in value)
        if has_value and "extension" in value:
            self._refuse("An extension must not hold both a value and extensions.", path)
        elif not has_value and "extension" not in value:
            self._note(self.missing, "An extension needs a value or extensions.", f"{path}.value")

    def _concept(self, allowed: tuple[str, frozenset[str]], value: dict[str, Any], path: str) -> None:
        system, codes = allowed
        for coding in _objects(value.get("coding")):
            code = coding.get("code")
            if coding.get("system") == system and isinstance(code, str) and code in codes:
                return
        known = ", ".join(sorted(codes))
        self._note(self.unknown_codes, f"One coding must be of {system}, one of: {known}.", path)

    def _unknown(self, name: str, path: str) -> None:
        if _NAME.fullmatch(name):
            self._refuse(f"The element {name} is not known here.", f"{path}.{name}")
        else:
            self._refuse("An element is not known here.", path)

    def _refuse(self, text: str, path: str) -> None:
        self._note(self.invalid, text, path)

    def _note(self, kind: list[Problem], text: str, path: str) -> None:
        # What is not told is not kept either: a large body can be wrong a million times.
        if len(kind) < MAX_PROBLEMS:
            kind.append(Problem(text, path))


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, dict))
