"""The parameters that the service searches by, as SearchParameters. https://hl7.org/fhir/R4/searchparameter.html"""

from collections.abc import Iterator
from typing import Any, Final

from referral.domain.search import Kind, Prefix
from referral.fhir import systems
from referral.fhir.parameters import COMMON, PARAMETERS, Parameter
from referral.fhir.search_criteria import modifiers_of

_ANY_TYPE: Final = "Resource"
_ADDRESS: Final = f"{systems.BASE}/SearchParameter"


def search_parameters(version: str, date: str) -> Iterator[dict[str, Any]]:
    """One for each parameter of each type; what all have is told once. version, date: of them all."""
    every = [(_ANY_TYPE, each) for each in COMMON]
    every += [(kind, each) for kind, found in PARAMETERS.items() for each in found if each not in COMMON]
    for resource_type, parameter in every:
        yield _search_parameter(resource_type, parameter) | {"version": version, "date": date}


def canonical_of(resource_type: str, parameter: Parameter) -> str:
    """Under which address the parameter of a type is published."""
    if parameter.owed:
        # In the package, for all types that have it.
        return f"{_ADDRESS}/{parameter.name}"
    return f"{_ADDRESS}/{_name(_ANY_TYPE if parameter in COMMON else resource_type, parameter.name)}"


def _name(resource_type: str, code: str) -> str:
    return f"{resource_type}-{code.removeprefix('_')}"


def _search_parameter(resource_type: str, parameter: Parameter) -> dict[str, Any]:
    name = _name(resource_type, parameter.name)
    expression = parameter.expression(resource_type)
    found: dict[str, Any] = {
        "resourceType": "SearchParameter",
        "id": name,
        "url": f"{_ADDRESS}/{name}",
        "name": parameter.name,
        "status": "active",
        "description": f"{resource_type} by {expression}",
        "code": parameter.name,
        "base": [resource_type],
        "type": parameter.kind.value,
        "expression": expression,
        "target": list(parameter.targets),
        "multipleOr": True,
        "multipleAnd": True,
        "comparator": [each.value for each in Prefix] if parameter.kind in {Kind.DATE, Kind.QUANTITY} else [],
        "modifier": [each.strip("[]") for each in modifiers_of(parameter)],
    }
    if parameter.parts is not None:
        whole = f"{parameter.paths[0]}."
        found["component"] = [
            {"definition": f"{_ADDRESS}/{resource_type}-{each.name}", "expression": part}
            for part in parameter.parts
            for each in PARAMETERS[resource_type]
            if each.paths == (whole + part,)
        ]
    # FHIR knows no empty lists.
    return {key: value for key, value in found.items() if value != []}
