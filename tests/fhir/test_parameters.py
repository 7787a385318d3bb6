import re

import pytest

from referral.domain.search import Kind
from referral.fhir.parameters import PARAMETERS, parameter, reverse_references
from referral.fhir.resources import SUPPORTED


def test_every_stored_type_has_parameters():
    assert set(PARAMETERS) == SUPPORTED


@pytest.mark.parametrize("resource_type", PARAMETERS)
def test_names_are_unique_and_spelled_as_r4_does(resource_type):
    names = [each.name for each in PARAMETERS[resource_type]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"_?[a-z][a-z-]*", name) for name in names)


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
        ("Observation", "value-quantity", "Observation.value.as(Quantity)"),
        ("Condition", "onset-date", "Condition.onset.as(dateTime) | Condition.onset.as(Period)"),
        ("Patient", "deceased", "Patient.deceased.exists() and Patient.deceased != false"),
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
