import re

import pytest

from referral.domain.search import Kind
from referral.fhir.parameters import PARAMETERS, parameter, reverse_references
from referral.fhir.resources import SUPPORTED

ALL = [(resource_type, each) for resource_type, parameters in PARAMETERS.items() for each in parameters]


def test_every_stored_type_has_parameters():
    assert set(PARAMETERS) == SUPPORTED


@pytest.mark.parametrize("resource_type", PARAMETERS)
def test_names_are_unique_and_spelled_as_r4_does(resource_type):
    names = [each.name for each in PARAMETERS[resource_type]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z-]*", name) for name in names)


@pytest.mark.parametrize(("resource_type", "each"), ALL, ids=lambda value: getattr(value, "name", value))
def test_paths_are_elements_of_the_type(resource_type, each):
    """Against the models of R4B, which have the elements of R4 for these types."""
    package = pytest.importorskip(f"fhir.resources.R4B.{resource_type.lower()}")
    names = set(getattr(package, resource_type).model_fields) | {
        field.alias for field in getattr(package, resource_type).model_fields.values()
    }
    for path in each.paths:
        first = path.split(".")[0].partition("[")[0]
        assert any(name in (first, f"{first}DateTime") for name in names)


def test_patient_reads_the_rows_of_subject():
    for resource_type, each in ALL:
        if not each.indexed:
            subject = parameter(resource_type, each.rows)
            assert subject is not None
            assert subject.indexed
            assert subject.paths == each.paths


def test_the_parameters_that_a_worklist_needs_exist():
    for resource_type, names in {
        "ServiceRequest": "identifier status patient subject requester performer authored",
        "Task": "identifier status patient subject requester owner focus authored-on business-status code",
        "Patient": "identifier name family given birthdate gender",
        "Organization": "identifier name type active",
    }.items():
        for name in names.split():
            assert parameter(resource_type, name) is not None


@pytest.mark.parametrize(
    ("resource_type", "name", "expression"),
    [
        ("Task", "subject", "Task.for"),
        ("Task", "patient", "Task.for.where(resolve() is Patient)"),
        ("Observation", "date", "Observation.effective"),
        ("Patient", "phone", "Patient.telecom.where(system = 'phone').value"),
        (
            "DocumentReference",
            "identifier",
            "DocumentReference.masterIdentifier | DocumentReference.identifier",
        ),
    ],
)
def test_expression(resource_type, name, expression):
    found = parameter(resource_type, name)
    assert found is not None
    assert found.expression(resource_type) == expression


def test_unknown_names_and_types_have_no_parameter():
    assert parameter("Task", "colour") is None
    assert parameter("Basic", "identifier") is None


def test_reverse_references_may_point_to_the_type():
    found = {(source, each.name) for source, each in reverse_references("ServiceRequest")}
    assert ("Task", "focus") in found
    assert ("ServiceRequest", "replaces") in found
    assert ("ServiceRequest", "requester") not in found
    assert all(each.kind is Kind.REFERENCE for _, each in reverse_references("Patient"))
