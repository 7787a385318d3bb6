"""References: what they point at (https://hl7.org/fhir/R4/references.html).

A reference is literal (`Type/id`, or an address under our base) or logical (`identifier` alone).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from referral.fhir.search_index import reference_target

Key = tuple[str, str]
Resolve = Callable[[str, str], Key | None]
"""From system and value of an identifier to the type and id of the one resource that has it."""


def identifier_of(reference: Mapping[str, Any]) -> tuple[str, str] | None:
    """System and value of a logical reference; None when it is literal or has no value."""
    identifier = reference.get("identifier")
    if "reference" in reference or not isinstance(identifier, dict):
        return None
    value = identifier.get("value")
    return None if value is None else (str(identifier.get("system", "")), str(value))


def target_of(reference: Mapping[str, Any] | None, base: str, resolve: Resolve) -> Key | None:
    """Type and id that a reference points at in this service; None for anything else."""
    if reference is None:
        return None
    if "reference" in reference:
        return reference_target(str(reference["reference"]), base)
    identifier = identifier_of(reference)
    return None if identifier is None else resolve(*identifier)


def references_at(content: Mapping[str, Any], element: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The references of a top-level element with their paths below the resource: `performer[0]`."""
    found = content.get(element)
    if isinstance(found, dict):
        yield element, found
    elif isinstance(found, list):
        for position, entry in enumerate(found):
            yield f"{element}[{position}]", entry


def every_reference(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Every Reference below a resource, in no order."""
    found: list[dict[str, Any]] = []
    left: list[Any] = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str) or isinstance(value.get("identifier"), dict):
                found.append(value)
            left.extend([below for below in value.values() if not isinstance(below, str)])
        elif isinstance(value, list):
            left.extend(value)
    return found
