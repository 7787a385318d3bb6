"""The search parameters of every resource type: one registry for the index tables, the parser, the
CapabilityStatement and the docs.

Names, types, targets and elements are those of R4 (https://hl7.org/fhir/R4/searchparameter-registry.html); a
test compares them with the official definitions. `_id` and `_lastUpdated` apply to every type; they are
columns, not index rows.
"""

from typing import Final

from referral.fhir.parameters import (
    audit,
    definitions,
    directory,
    documents,
    patients,
    records,
    requests,
    visits,
)
from referral.fhir.parameters.parameter import COMMON, Parameter
from referral.fhir.resources import STORED

__all__ = ["COMMON", "PARAMETERS", "Parameter", "parameter", "reverse_references"]

_GROUPS: Final = (definitions, directory, documents, patients, records, requests, visits)

PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {
    resource_type: (*COMMON, *parameters)
    for group in _GROUPS
    for resource_type, parameters in sorted(group.PARAMETERS.items())
} | audit.PARAMETERS
"""By type, those of all types first; AuditEvents have none of these."""

_BY_NAME: Final = {
    resource_type: {parameter.name: parameter for parameter in parameters}
    for resource_type, parameters in PARAMETERS.items()
}


def parameter(resource_type: str, name: str) -> Parameter | None:
    """The parameter of that name of a stored type; None for what the type does not have."""
    return _BY_NAME.get(resource_type, {}).get(name)


def reverse_references(resource_type: str) -> tuple[tuple[str, Parameter], ...]:
    """Every (type, reference parameter) whose elements may point to that type, both of them stored ones."""
    if resource_type not in STORED:
        return ()
    return tuple(
        (source, candidate)
        for source, parameters in PARAMETERS.items()
        for candidate in parameters
        if source in STORED and candidate.may_target(resource_type)
    )
