"""The registry against the official SearchParameters of R4 (r4_search_parameters.json beside this, CC0)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from referral.domain.search import Kind
from referral.fhir.parameters import COMMON, PARAMETERS, Parameter

OFFICIAL: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("r4_search_parameters.json").read_text(encoding="utf-8")
)["parameters"]

# The types of which everything that R4 defines can be searched by.
COMPLETE = (
    *("Appointment", "Communication", "DocumentReference", "Endpoint", "HealthcareService", "Location"),
    *(
        "Organization",
        "OrganizationAffiliation",
        "Patient",
        "PractitionerRole",
        "ServiceRequest",
        "Slot",
        "Task",
    ),
)
ALL = [
    (resource_type, each)
    for resource_type, found in PARAMETERS.items()
    for each in found
    if each not in COMMON and not each.told
]
# What has no one value is found by none.
_NO_VALUE = "SampledData"
_CONTACTS = ("telecom", "telecom[phone]", "telecom[email]")


def paths(resource_type: str, expression: str) -> set[str]:
    """The official FHIRPath in the words of `Parameter.paths`."""
    found = set()
    for part in expression.split("|"):
        text = part.strip().removeprefix(f"({resource_type}.").removeprefix(f"{resource_type}.")
        text = re.sub(r" as (\w)(\w*)\)", lambda to: f"[{to[1].upper()}{to[2]}]", text)
        text = re.sub(r"\.as\((\w)(\w*)\)", lambda to: f"[{to[1].upper()}{to[2]}]", text)
        text = re.sub(r"\.where\(system='(\w+)'\)", r"[\1]", text)
        text = re.sub(r"\.where\(resolve\(\) is \w+\)", "", text)
        if _NO_VALUE not in text:
            found.add(f"{text}.value" if text in _CONTACTS else text)
    return found


def own_paths(each: Parameter) -> set[str]:
    """Ours; that an element is a choice of dates, or the reference among its types, R4 does not write."""
    return {path.replace("[x]", "").replace("source[Reference]", "source") for path in each.paths}


@pytest.mark.parametrize("resource_type", COMPLETE)
def test_everything_of_r4_can_be_searched_by(resource_type):
    ours = {each.name for each in PARAMETERS[resource_type] if not each.told} - {each.name for each in COMMON}
    assert ours == OFFICIAL[resource_type].keys()


def test_every_type_is_found_by_what_an_ehr_asks():
    for resource_type, official in OFFICIAL.items():
        if resource_type != "Resource":
            asked = {
                "patient",
                "subject",
                "encounter",
                "code",
                "date",
                "status",
                "category",
                "identifier",
                "type",
            }
            ours = {each.name for each in PARAMETERS[resource_type]}
            assert asked & official.keys() <= ours, resource_type


def test_what_all_types_have_is_what_r4_gives_to_all():
    for each in COMMON:
        row = OFFICIAL["Resource"][each.name]
        assert each.kind == row["kind"]
        assert paths("Resource", row["expression"]) == set(each.paths)


@pytest.mark.parametrize(("resource_type", "each"), ALL, ids=lambda value: getattr(value, "name", value))
def test_it_is_as_r4_defines_it(resource_type, each):
    row = OFFICIAL[resource_type][each.name]
    assert each.kind == row["kind"]
    narrowed = re.search(r"resolve\(\) is (\w+)", row["expression"])
    if each.presence:
        assert each.expression(resource_type) == row["expression"]
        return
    assert own_paths(each) == paths(resource_type, row["expression"])
    if each.kind is Kind.REFERENCE:
        # Of a `patient` that is a Group too by its definition, the FHIRPath takes the Patients alone.
        assert set(each.targets) == ({narrowed[1]} if narrowed else set(row.get("targets", ())))
    if "systems" in row:
        assert each.system in row["systems"]


@pytest.mark.parametrize("resource_type", PARAMETERS)
def test_one_and_the_same_parameter_holds_the_rows(resource_type):
    found = {each.name: each for each in PARAMETERS[resource_type] if not each.told}
    for each in found.values():
        rows = found[each.rows]
        assert rows.indexed
        assert rows.paths == each.paths
        assert rows.may_target(each.targets[0]) if not each.indexed else True


def test_the_parts_of_a_composite_are_those_of_its_own_parameters():
    (pair,) = [each for each in PARAMETERS["DocumentReference"] if each.kind is Kind.COMPOSITE]
    code, target = OFFICIAL["DocumentReference"]["relation"], OFFICIAL["DocumentReference"]["relatesto"]
    assert pair.parts is not None
    stem = pair.paths[0]
    assert {f"DocumentReference.{stem}.{part}" for part in pair.parts} == {
        code["expression"],
        target["expression"],
    }
