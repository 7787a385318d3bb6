"""Is a resource R4? All that is wrong with it is told at once, each with its FHIRPath.

https://hl7.org/fhir/R4/json.html and the structure of each type. What is checked: known elements at
every depth, JSON types and repetition, forms of primitives, nothing empty, choices, codes of required
bindings, required elements, references with content and of a type that may stand there, contained resources,
invariants (docs/validation.md), unknown modifiers, our profiles. What depends on who asks, or on what is
stored, is checked by the actions.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from referral.domain.attachment import LARGEST_INLINE
from referral.domain.errors import (
    BrokenRule,
    DomainError,
    InvalidElement,
    MissingElement,
    Problem,
    TooLarge,
    UnknownCode,
)
from referral.fhir.bindings import Binding
from referral.fhir.invariants import Rule
from referral.fhir.offer import is_offer
from referral.fhir.profile_rules import extension_faults, profile_faults
from referral.fhir.referral import is_referral
from referral.fhir.resources import DIRECTORY
from referral.fhir.structure import Element, Structure, structure_of_model, structure_of_type

MAX_PROBLEMS: Final = 100

# Characters of base64 that may be too many.
_INLINE: Final = -(-LARGEST_INLINE // 3) * 4
_NAME: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")
_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]*)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")
# https://hl7.org/fhir/R4/references.html#literal, and a search in place of an id, as transactions know it
_TYPED: Final = re.compile(rf"(?:https?://[^?#]*/)?(?:{_RELATIVE.pattern}|([A-Z][A-Za-z]*)\?.*)", re.DOTALL)
# Types of which some resources have to meet a profile that they do not declare.
_PROFILED: Final = frozenset({"ServiceRequest", "Task"})
_REFERENCE_CONTENT: Final = frozenset(
    {"reference", "_reference", "identifier", "display", "_display", "extension"}
)


def check_resource(resource_type: str, content: dict[str, Any]) -> None:
    """Check content, as `read_content` gives it, against the R4 type.

    Also takes what is never stored but sent: Bundle, Parameters.
    Raises InvalidElement when an element is unknown or of the wrong form, else UnknownCode when a code
    is outside its required value set, else MissingElement, else BrokenRule; at most `MAX_PROBLEMS` problems
    of all four kinds are listed, in that order, each with its kind. What a Bundle asks for is read elsewhere
    (`fhir/bundle.py`), which tells in its own words what else is wrong with it.
    """
    problems = _Walk(untold="Bundle").problems(resource_type, content)
    if problems:
        raise (problems[0].kind or BrokenRule)(problems)


def find_problems(resource_type: str, content: dict[str, Any]) -> list[Problem]:
    """What `check_resource` would tell, and the invariants of Bundles; empty for content that is R4."""
    return _Walk().problems(resource_type, content)


class _Walk:
    """One pass over a resource, collecting problems by kind.

    untold: the type whose invariants are left out.
    """

    def __init__(self, untold: str = "") -> None:
        self._untold = untold
        self.invalid: list[Problem] = []
        self.unknown_codes: list[Problem] = []
        self.missing: list[Problem] = []
        self.broken: list[Problem] = []
        # References to `#id` of the resource in hand; entries of a Bundle each have their own.
        self._local: list[tuple[str, frozenset[str] | None, str]] = []
        # Modifiers of the resource in hand.
        self._modifiers: list[str] = []
        # References to what an entry of a Bundle may be.
        self._elsewhere: list[tuple[str, frozenset[str], str]] = []

    def problems(self, resource_type: str, content: dict[str, Any]) -> list[Problem]:
        """All that is wrong, the gravest kind first."""
        self._outermost(resource_type, content)
        return (self.invalid + self.unknown_codes + self.missing + self.broken)[:MAX_PROBLEMS]

    def _outermost(self, resource_type: str, content: dict[str, Any]) -> None:
        if content.get("resourceType") != resource_type:
            self._refuse(f"The resourceType must be {resource_type}.", f"{resource_type}.resourceType")
            return
        self._resource(content, resource_type)
        if self._elsewhere and resource_type == "Bundle":
            entries = {
                entry.get("fullUrl"): entry["resource"].get("resourceType")
                for entry in _objects(content.get("entry"))
                if isinstance(entry.get("resource"), dict) and isinstance(entry.get("fullUrl"), str)
            }
            for literal, targets, place in self._elsewhere:
                self._target(entries.get(literal), targets, place)

    def _resource(self, value: Any, path: str) -> None:
        outer = self._local, self._modifiers
        self._local, self._modifiers = [], []
        before = len(self.invalid)
        self._resource_fields(value, path)
        if isinstance(value, dict):
            sound = len(self.invalid) == before < MAX_PROBLEMS
            if "contained" in value or self._local:
                self._check_contained(value, path, sound=sound)
            if "implicitRules" in value:
                self._modifiers.append(f"{path}.implicitRules")
            if sound and ("meta" in value or value["resourceType"] in _PROFILED):
                for kind, text, below in profile_faults(value):
                    self._tell(kind, text, f"{path}{below}")
            if self._modifiers and sound and _is_acted_on(value):
                for place in self._modifiers:
                    text = "What changes the meaning of the rest is not understood here, so it is not taken."
                    self._note(BrokenRule, self.broken, text, place)
        self._local, self._modifiers = outer

    def _check_contained(self, value: dict[str, Any], path: str, *, sound: bool) -> None:
        """ref-1, and, where the structure is sound, dom-3 to dom-5.

        https://hl7.org/fhir/R4/domainresource.html, https://hl7.org/fhir/R4/references.html#contained
        """
        contained = {
            inner["id"]: inner
            for inner in _objects(value.get("contained"))
            if isinstance(inner.get("id"), str)
        }
        for target, targets, place in self._local:
            if target not in contained:
                self._refuse("The reference is to a contained resource that is not there.", place)
                sound = False
            elif targets:
                self._target(contained[target].get("resourceType"), targets, place)
        if not contained or not sound:
            return
        named = set(_local_names(value))
        for index, inner in enumerate(value["contained"]):
            place = f"{path}.contained[{index}]"
            if "id" in inner and inner["id"] not in named and "" not in _local_names(inner):
                text = "dom-3: Nothing refers to this contained resource."
                self._note(BrokenRule, self.broken, text, place)
            meta = inner.get("meta", {})
            for key, name in (("dom-4", "versionId"), ("dom-4", "lastUpdated"), ("dom-5", "security")):
                if name in meta or f"_{name}" in meta:
                    text = f"{key}: A contained resource has no meta.{name}."
                    self._note(BrokenRule, self.broken, text, f"{place}.meta.{name}")

    def _contained(self, value: Any, path: str) -> None:
        # https://hl7.org/fhir/R4/domainresource.html dom-2
        if isinstance(value, dict) and "contained" in value:
            self._refuse("A contained resource must not contain another.", f"{path}.contained")
        if isinstance(value, dict) and value.get("resourceType") == "Binary":
            self._inline(value.get("data"), f"{path}.data")
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
        before = len(self.invalid)
        self._fields(structure, value, path)
        if structure.name == "Reference":
            self._reference(element, value, path)
        elif structure.name == "Attachment" and "data" in value:
            self._inline(value["data"], f"{path}.data")
        elif structure.name == "Extension":
            self._extension(element, value, path, sound=len(self.invalid) == before < MAX_PROBLEMS)
        if (element.rules or element.binding) and len(self.invalid) == before < MAX_PROBLEMS:
            if element.rules:
                self._apply(element.rules, value, path)
            if element.binding:
                self._concept(element.binding, value, path)

    def _fields(self, structure: Structure, value: dict[str, Any], path: str) -> None:
        before = len(self.invalid)
        chosen: dict[str, str] = {}
        elements = structure.elements
        for name, inner in value.items():
            element = elements.get(name)
            if element is None:
                self._unknown(name, path)
                continue
            if element.choice and chosen.setdefault(element.segment, name.lstrip("_")) != name.lstrip("_"):
                place = f"{path}.{element.segment}"
                self._refuse(f"Only one type of {element.segment}[x] may be given.", place)
            if element.many:
                self._list(element, inner, value.get(element.sibling), f"{path}.{element.segment}")
            elif inner is None:
                self._refuse("Must not be null.", f"{path}.{element.segment}")
            elif element.check:
                # Most of a resource: no path is made before one is needed.
                if (fault := element.check(inner)) or (element.codes and inner not in element.codes):
                    self._primitive(element, fault, f"{path}.{element.segment}")
            else:
                self._complex(element, inner, value.get(element.sibling), f"{path}.{element.segment}")
        for segment, names in structure.required.items():
            if names[0] not in value and value.keys().isdisjoint(names):
                self._note(
                    MissingElement,
                    self.missing,
                    f"The element {segment} is required.",
                    f"{path}.{segment}",
                )
        # A rule may rely on the structure of what it looks at.
        if structure.rules and len(self.invalid) == before < MAX_PROBLEMS and structure.name != self._untold:
            self._apply(structure.rules, value, path)

    def _list(self, element: Element, values: Any, siblings: Any, path: str) -> None:
        if not isinstance(values, list):
            self._refuse("Must be an array.", path)
            return
        if not values:
            self._refuse("Must not be an empty array.", path)
        beside = siblings[: len(values)] if isinstance(siblings, list) else ()
        for index, value in enumerate(values):
            sibling = beside[index] if index < len(beside) else None
            if value is None:
                # A null only keeps the place of a value beside its extensions, or the reverse.
                if sibling is None:
                    self._refuse("Must not be null.", f"{path}[{index}]")
            elif element.check:
                if (fault := element.check(value)) or (element.codes and value not in element.codes):
                    self._primitive(element, fault, f"{path}[{index}]")
            else:
                self._complex(element, value, sibling, f"{path}[{index}]")

    def _primitive(self, element: Element, fault: str | None, path: str) -> None:
        if fault:
            self._refuse(fault, path)
        else:
            self._note(UnknownCode, self.unknown_codes, f"The code must be {element.binding}.", path)

    def _complex(self, element: Element, value: Any, sibling: Any, path: str) -> None:
        if not element.resource:
            self._object(element, value, path)
            # https://hl7.org/fhir/R4/element.html ele-1: an element has a value or children besides id
            if sibling is None and isinstance(value, dict) and value.keys() == {"id"}:
                self._refuse("Must hold more than an id.", path)
        elif element.segment == "contained":
            self._contained(value, path)
        else:
            self._resource(value, path)

    def _reference(self, element: Element, value: dict[str, Any], path: str) -> None:
        # https://hl7.org/fhir/R4/references.html#Reference
        if _REFERENCE_CONTENT.isdisjoint(value):
            text = "A reference needs a reference, an identifier or a display."
            self._note(MissingElement, self.missing, text, f"{path}.reference")
        targets = element.targets
        literal = value.get("reference")
        if isinstance(literal, str):
            if literal.startswith("#"):
                if literal != "#":
                    self._local.append((literal[1:], targets, f"{path}.reference"))
            elif targets:
                if literal.startswith("urn:"):
                    self._elsewhere.append((literal, targets, f"{path}.reference"))
                elif (relative := _RELATIVE.fullmatch(literal)) is None:
                    self._address(literal, targets, f"{path}.reference")
                elif relative[1] not in targets:
                    self._target(relative[1], targets, f"{path}.reference")
        if targets and isinstance(value.get("type"), str) and "/" not in value["type"]:
            self._target(value["type"], targets, f"{path}.type")

    def _address(self, literal: str, targets: frozenset[str], path: str) -> None:
        typed = _TYPED.fullmatch(literal)
        kind = (typed[1] or typed[2]) if typed else None
        if kind is not None and structure_of_type(kind) is not None:
            self._target(kind, targets, path)
        else:
            self._elsewhere.append((literal, targets, path))

    def _target(self, kind: object, targets: frozenset[str], path: str) -> None:
        if isinstance(kind, str) and kind not in targets:
            self._refuse(f"The reference must be to one of: {', '.join(sorted(targets))}.", path)

    def _extension(self, element: Element, value: dict[str, Any], path: str, *, sound: bool) -> None:
        # https://hl7.org/fhir/R4/extensibility.html ext-1
        has_value = any(name.startswith(("value", "_value")) for name in value)
        if has_value and "extension" in value:
            self._refuse("An extension must not hold both a value and extensions.", path)
        elif not has_value and "extension" not in value:
            text = "An extension needs a value or extensions."
            self._note(MissingElement, self.missing, text, f"{path}.value")
        if sound:
            for kind, fault, below in extension_faults(value):
                self._tell(kind, fault, f"{path}{below}")
        if element.segment == "modifierExtension":
            self._modifiers.append(path)

    def _inline(self, data: Any, path: str) -> None:
        """What is larger is stored once, and read without the rest: docs/fhir.md."""
        if isinstance(data, str) and len(data) >= _INLINE and _size(data) > LARGEST_INLINE:
            text = (
                f"An attachment has at most {LARGEST_INLINE} bytes inside a resource: POST the bytes to"
                " Binary, and name it in the url of the attachment."
            )
            self._note(TooLarge, self.broken, text, path)

    def _concept(self, binding: Binding, value: dict[str, Any], path: str) -> None:
        codings = value.get("coding", ())
        if not any(binding.has(coding.get("system"), coding.get("code")) for coding in codings):
            systems = " or ".join(binding.systems)
            text = f"One coding must be of {systems}, {binding}."
            self._note(UnknownCode, self.unknown_codes, text, path)

    def _apply(self, rules: tuple[Rule, ...], value: Mapping[str, Any], path: str) -> None:
        for rule in rules:
            for below in rule.fails(value):
                self._note(BrokenRule, self.broken, rule.text, f"{path}{below}")

    def _unknown(self, name: str, path: str) -> None:
        if _NAME.fullmatch(name):
            self._refuse(f"The element {name} is not known here.", f"{path}.{name}")
        else:
            self._refuse("An element is not known here.", path)

    def _refuse(self, text: str, path: str) -> None:
        self._note(InvalidElement, self.invalid, text, path)

    def _tell(self, kind: type[DomainError], text: str, path: str) -> None:
        """A rule of our own, by what kind of problem it is."""
        found = {UnknownCode: self.unknown_codes, MissingElement: self.missing}.get(kind, self.broken)
        self._note(kind, found, text, path)

    def _note(self, kind: type[DomainError], found: list[Problem], text: str, path: str) -> None:
        # What is not told is not kept either: a large body can be wrong a million times.
        if len(found) < MAX_PROBLEMS:
            found.append(Problem(text, path, kind))


def _is_acted_on(content: dict[str, Any]) -> bool:
    """Whether the service acts by what a resource says, and does not only keep it.

    https://hl7.org/fhir/R4/extensibility.html#modifierExtension: what acts on a resource refuses modifiers
    that it does not know. Clinical content is handed on as it came, to readers who look for themselves.
    """
    kind = content["resourceType"]
    if kind == "ServiceRequest":
        return is_referral(content)
    return is_offer(content) if kind == "Task" else kind in DIRECTORY


def _size(base64: str) -> int:
    """How many bytes base64 stands for, white space and padding left out."""
    return sum(map(len, base64.split())) * 3 // 4 - base64.count("=")


def _local_names(value: Any) -> Iterator[str]:
    """What follows the `#` in everything below a resource that may be a local reference."""
    left = [value]
    while left:
        found = left.pop()
        if isinstance(found, dict):
            left.extend(found.values())
        elif isinstance(found, list):
            left.extend(found)
        elif isinstance(found, str) and found.startswith("#"):
            yield found[1:]


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, dict))
