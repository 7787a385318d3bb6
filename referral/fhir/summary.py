"""How much of a resource is shown: `_summary` and `_elements`.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from referral.domain.search import Summary
from referral.fhir.content import read_content, write_content
from referral.fhir.structure import structure_of_type

_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


def shown_elements(
    resource_type: str, summary: Summary | None, elements: Collection[str]
) -> frozenset[str] | None:
    """The elements of a type that an answer shows, as properties of its JSON; None: all there are.

    What is mandatory and what changes the meaning of the rest is always shown.
    """
    required = _required(resource_type)
    if elements:
        return required | _properties(resource_type, frozenset(elements))
    match summary:
        case Summary.TRUE:
            return required | _in_summary(resource_type)
        case Summary.TEXT:
            return required | {"text"}
        case Summary.DATA:
            return _all(resource_type) - {"text"}
        case _:
            return None


def subset(content: str, shown: frozenset[str]) -> str:
    """Only these elements of a resource; it says so by the tag SUBSETTED, where any was left out."""
    whole = read_content(content.encode())
    part: dict[str, Any] = {name: value for name, value in whole.items() if name in shown}
    if len(part) == len(whole):
        return content
    meta = part.get("meta", {})
    part["meta"] = meta | {"tag": [*meta.get("tag", ()), _SUBSETTED]}
    return write_content(part).decode()


@cache
def _required(resource_type: str) -> frozenset[str]:
    structure = structure_of_type(resource_type)
    required = structure.required.values() if structure else ()
    return _ALWAYS.union(*required)


@cache
def _all(resource_type: str) -> frozenset[str]:
    structure = structure_of_type(resource_type)
    return frozenset(structure.elements) if structure else frozenset()


@cache
def _in_summary(resource_type: str) -> frozenset[str]:
    structure = structure_of_type(resource_type)
    elements = structure.elements.items() if structure else ()
    return frozenset(name for name, element in elements if element.summary)


def _properties(resource_type: str, names: frozenset[str]) -> frozenset[str]:
    """Those of `value[x]` for `value`, and what stands beside a primitive."""
    structure = structure_of_type(resource_type)
    elements = structure.elements.items() if structure else ()
    return frozenset(name for name, element in elements if name in names or element.segment in names)
