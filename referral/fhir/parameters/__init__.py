"""The search parameters of every resource type: one registry for the index tables, the parser, the
CapabilityStatement and the docs.

Names, types, targets and elements are those of R4 (https://hl7.org/fhir/R4/searchparameter-registry.html); a
test compares them with the official definitions. `_id` and `_lastUpdated` apply to every type; they are
columns, not index rows.
"""

from typing import Final

from referral.fhir.parameters import directory, documents, patients, records, requests, visits
from referral.fhir.parameters.parameter import COMMON, Parameter

__all__ = ["COMMON", "PARAMETERS", "Parameter", "parameter", "reverse_references"]

_GROUPS: Final = (directory, documents, patients, records, requests, visits)

PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {
    resource_type: (*COMMON, *parameters)
    for group in _GROUPS
    for resource_type, parameters in sorted(group.PARAMETERS.items())
}
"""By type, those of all types first."""

_BY_NAME: Final = {
    resource_type: {parameter.name: parameter for parameter in parameters}
    for resource_type, parameters in PARAMETERS.items()
}


def parameter(resource_type: str, name: str) -> Parameter | None:
    """The parameter of that name of a stored type; None for what the type does not have."""
    return _BY_NAME.get(resource_type, {}).get(name)


def reverse_references(resource_type: str) -> tuple[tuple[str, Parameter], ...]:
    """Every (type, reference parameter) whose elements may point to that type."""
    return tuple(
        (source, candidate)
        for source, parameters in PARAMETERS.items()
        for candidate in parameters
        if candidate.may_target(resource_type)
    )
