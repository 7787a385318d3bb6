"""A validator that nobody here wrote judges the examples and counter-examples by the compiled profiles.

Pyrofile 0.3 (https://github.com/N3RDMJ/pyrofile). What it does not see, or sees wrongly, is listed here, and
told in fhir_profiles/README.md; the tests fail when that changes.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig
from pyrofile_validator.models import Severity

from referral.fhir.profiles import artefacts
from referral.fhir.systems import BASE
from tests.profiles.examples import PACKAGE, Resource, counter_examples, examples
from tests.profiles.test_integrating import exchanges

# Of what the service answers with.
PROFILES = {
    "ServiceRequest": "referral",
    "Task": "offer",
    "DocumentReference": "summary",
    "Parameters": "suggestion",
}

Judge = Callable[[Resource], set[tuple[str, str]]]

# It cuts the codes of Task.status short, as the R4B models do, looks for the slices of a slice elsewhere, and
# does not know the text of a section.
WRONG = [
    *(("element.unknown", f"Composition.section[{position}].text") for position in range(5)),
    ("terminology.required", "Task.status"),
    ("profile.slice.cardinality.min", "Parameters.parameter.part:target"),
    ("profile.slice.cardinality.min", "Parameters.parameter.part:cost"),
    ("profile.slice.cardinality.min", "Parameters.parameter.part:term"),
]
# By what it passes over.
MISSED = {
    "the types of a reference that a profile narrows": {
        "offer-focus",
        "offer-for",
        "offer-owner",
        "offer-passed-on-to-a-patient",
        "offer-summary-of-another-type",
        "referral-network-of-another-type",
        "referral-of-a-place",
        "summary-of-a-device",
    },
    "the types of a value in one slice": {
        "offer-escort-as-concept",
        "offer-eta-in-words",
        "offer-outcome-in-words",
        "offer-summary-in-words",
    },
    "the codes and rules of what stands in an extension": {
        "facility-level",
        "referral-direction",
        "referral-ground",
        "service-age-in-months",
        "service-age-of-a-tree",
        "service-capacity-status",
        "service-capacity-without-status",
        "service-fewer-than-no-places",
        "service-free-in-words",
    },
    "the slices of a slice": {"suggestion-cost-in-hours"},
    "how many identifiers have the system of a slice": {"facility-two-insurer-codes"},
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Gives the errors that it finds, each a code and a path."""
    folder = tmp_path_factory.mktemp("package")
    for path in PACKAGE.glob("*.json"):
        content = json.loads(path.read_bytes())
        if content.get("resourceType") == "StructureDefinition":
            tell_extensions_apart(content["snapshot"]["element"])
        (folder / path.name).write_text(json.dumps(content), encoding="utf-8")
    validator = Validator(ValidatorConfig.load_dict({"localPackagePaths": [str(folder)]}))

    def errors(resource: Resource) -> set[tuple[str, str]]:
        found = validator.validate_resource(resource).issues
        return {(one.code, one.path) for one in found if one.severity is Severity.ERROR} - set(WRONG)

    return errors


def tell_extensions_apart(elements: list[dict[str, Any]]) -> None:
    """Write the address of each extension into the profile that uses it: it does not look it up."""
    for element in list(elements):
        kind = element.get("type", [{}])[0]
        if element.get("sliceName") and kind.get("code") == "Extension" and "profile" in kind:
            place = f"{element['id']}.url"
            url = {"id": place, "path": place, "min": 1, "max": "1", "fixedUri": kind["profile"][0]}
            elements.insert(elements.index(element) + 1, url)


def test_it_accepts_the_examples(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert {name: found for name, one in examples().items() if (found := judge(one))} == {}


def test_it_refuses_the_counter_examples_but_for_what_it_does_not_look_at(
    judge: Judge, capfd: pytest.CaptureFixture[str]
) -> None:
    accepted = {one.name for one in counter_examples() if not judge(one.resource)}
    assert accepted == set().union(*MISSED.values())


def test_each_rule_of_ours_is_broken_by_a_counter_example(
    judge: Judge, capfd: pytest.CaptureFixture[str]
) -> None:
    """Beside those in an extension, which it does not look at."""
    rules = {
        constraint["key"]
        for content in artefacts().values()
        for element in content.get("differential", {}).get("element", ())
        for constraint in element.get("constraint", ())
        if constraint["severity"] == "error" and content["type"] != "Extension"
    }
    broken = {code.rpartition(".")[2] for one in counter_examples() for code, _ in judge(one.resource)}
    assert rules - broken == set()
    assert len(rules) > 10


def test_it_accepts_what_the_service_answers(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    """By the answers of docs/integrating.md, which are those of a live service."""
    found = [
        resource | {"meta": {"profile": [f"{BASE}/StructureDefinition/{PROFILES[resource['resourceType']]}"]}}
        for resource in answered()
        if resource["resourceType"] in PROFILES
    ]
    assert {resource["resourceType"] for resource in found} == set(PROFILES)
    assert [faults for resource in found if (faults := judge(resource))] == []


def answered() -> list[Resource]:
    """Every resource in an answer of the page."""
    bodies = [json.loads(answer.body) for _, answer in exchanges() if answer.body]
    entries = [entry for body in bodies for entry in body.get("entry", ()) if "resource" in entry]
    return [body for body in bodies if "resourceType" in body] + [entry["resource"] for entry in entries]
