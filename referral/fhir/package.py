"""What belongs together: the patient a resource is about, and what a referral brings along.

The package of a referral is the closure of supportingInfo, reasonReference and insurance, through the
parts that those resources are made of, never through the patient's other records.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from referral.fhir.references import Key, Resolve, references_at, target_of

_PATIENT_ELEMENT: Mapping[str, str] = {
    "Communication": "subject",
    "Condition": "subject",
    "DocumentReference": "subject",
    "Observation": "subject",
    "ServiceRequest": "subject",
    "Task": "for",
}

_LINKS: Mapping[str, tuple[str, ...]] = {
    "Observation": ("hasMember", "derivedFrom"),
    "ServiceRequest": ("supportingInfo", "reasonReference", "insurance"),
}


def patient_element(resource_type: str) -> str | None:
    """The element that names the patient of a resource of this type; None where there is none."""
    return _PATIENT_ELEMENT.get(resource_type)


def patient_of(resource_type: str, content: Mapping[str, Any], base: str, resolve: Resolve) -> str | None:
    """Id of the Patient that the resource is about (itself, for a Patient); None where it names none."""
    if resource_type == "Patient":
        return str(content["id"])
    element = _PATIENT_ELEMENT.get(resource_type)
    target = target_of(content.get(element) if element else None, base, resolve)
    return target[1] if target is not None and target[0] == "Patient" else None


def package_links(
    resource_type: str, content: Mapping[str, Any], base: str, resolve: Resolve
) -> Iterator[Key]:
    """What a resource hands on to those who are given it."""
    found = [ref for element in _LINKS.get(resource_type, ()) for _, ref in references_at(content, element)]
    if resource_type == "Condition":
        found += [ref for part in content.get("evidence", ()) for _, ref in references_at(part, "detail")]
    for reference in found:
        target = target_of(reference, base, resolve)
        if target is not None:
            yield target
