"""The types that the resources of the service are made of."""

from collections.abc import Iterator

from referral.fhir.structure import Structure, structure_of_model, structure_of_type

SENT = {"Bundle", "Parameters"}
"""What is sent and never stored."""


def reached(resource_type: str) -> Iterator[tuple[str, Structure]]:
    """Every type below a resource type once, with the name of its model."""
    start = structure_of_type(resource_type)
    assert start is not None
    found = {resource_type: start}
    left = [start]
    while left:
        for element in left.pop().elements.values():
            if element.model is not None:
                model, structure = element.model.get_model_klass().__name__, structure_of_model(element.model)
                if model not in found:
                    found[model] = structure
                    left.append(structure)
    yield from found.items()
