"""What belongs together: the patient a resource is about, and what a referral brings along.

The package of a referral is the closure of supportingInfo, reasonReference and insurance, through the
parts that those resources are made of, never through the patient's other records.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from referral.fhir.attachment import ATTACHED_AT, BINARY, attached
from referral.fhir.references import Key, Resolve, references_at, target_of

# Where the patient stands. Of an Appointment it is among others, of a Provenance among what it vouches for;
# of a Binary it may be something else.
_PATIENT: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "patient",
    "Appointment": "participant.actor",
    "Binary": "securityContext",
    "CarePlan": "subject",
    "Communication": "subject",
    "Composition": "subject",
    "Condition": "subject",
    "Consent": "patient",
    "Coverage": "beneficiary",
    "DiagnosticReport": "subject",
    "DocumentReference": "subject",
    "Encounter": "subject",
    "ImagingStudy": "subject",
    "Immunization": "patient",
    "MeasureReport": "subject",
    "MedicationRequest": "subject",
    "MedicationStatement": "subject",
    "Observation": "subject",
    "Procedure": "subject",
    "Provenance": "target",
    "QuestionnaireResponse": "subject",
    "RelatedPerson": "patient",
    "ServiceRequest": "subject",
    "Specimen": "subject",
    "Task": "for",
}

# What a resource is made of, or rests on.
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Composition": ("section.entry",),
    "Condition": ("evidence.detail",),
    "Consent": ("sourceReference",),
    "Coverage": ("policyHolder", "subscriber"),
    "DiagnosticReport": ("result", "specimen", "imagingStudy"),
    "Observation": ("hasMember", "derivedFrom", "specimen"),
    "ServiceRequest": ("supportingInfo", "reasonReference", "insurance"),
}
HANDED_ON: Final = frozenset({*ATTACHED_AT, *_PARTS}) - {"ServiceRequest"}
"""Types whose resources give what they name to those who were given them. A request does by its offers."""
# Sections of a Composition stand in each other.
_NESTED: Final = frozenset({"section"})


def subjects(resource_type: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The references that may name the patient of a resource, with their paths: `participant[0].actor`."""
    path = _PATIENT.get(resource_type)
    return iter(()) if path is None else _references(content, path)


def patient_of(resource_type: str, content: Mapping[str, Any], base: str, resolve: Resolve) -> str | None:
    """Id of the Patient that the resource is about (itself, for a Patient).

    None where it names none, or several.
    """
    if resource_type == "Patient":
        return str(content["id"])
    targets = {target_of(reference, base, resolve) for _, reference in subjects(resource_type, content)}
    patients = [target[1] for target in targets if target is not None and target[0] == "Patient"]
    return patients[0] if len(patients) == 1 else None


def package_links(
    resource_type: str, content: Mapping[str, Any], base: str, resolve: Resolve
) -> Iterator[Key]:
    """What a resource hands on to those who are given it."""
    for path in _PARTS.get(resource_type, ()):
        for _, reference in _references(content, path):
            target = target_of(reference, base, resolve)
            if target is not None:
                yield target
    for _, name, _ in attached(resource_type, content, base):
        yield BINARY, name


def _references(content: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name, _, rest = path.partition(".")
    for place, found in references_at(content, name):
        if rest:
            yield from ((f"{place}.{below}", reference) for below, reference in _references(found, rest))
        else:
            yield place, found
        if name in _NESTED:
            yield from ((f"{place}.{below}", reference) for below, reference in _references(found, path))
