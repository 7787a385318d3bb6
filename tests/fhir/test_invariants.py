"""Each invariant holds for what R4 allows and not for what it forbids, and is asked where it stands."""

from typing import Any

import pytest

from referral.fhir.bindings import INVARIANTS
from referral.fhir.invariants import RULES, UNCHECKED, WALKED, Rule
from referral.fhir.resources import STORED
from referral.fhir.validation import check_resource, find_problems
from tests.fhir.invariant_cases import CASES
from tests.fhir.reached_types import SENT, reached


def named(name: str) -> Rule:
    path, _, key = name.rpartition(" ")
    (found,) = [rule for rule in RULES if rule.key == key and path in {"", rule.path}]
    return found


@pytest.mark.parametrize(("name", "allowed", "forbidden", "at"), CASES, ids=[case[0] for case in CASES])
def test_what_breaks_it_is_told(
    name: str, allowed: dict[str, Any], forbidden: dict[str, Any], at: str
) -> None:
    rule = named(name)
    assert list(rule.fails(allowed)) == []
    assert list(rule.fails(forbidden)) == [at]


def test_every_invariant_has_an_example_and_a_counter_example() -> None:
    assert {named(case[0]) for case in CASES} == set(RULES)


def model_of(path: str) -> str:
    return "".join(step[:1].upper() + step[1:] for step in path.split("."))


def test_every_invariant_of_a_stored_type_is_checked_or_said_not_to_be() -> None:
    asked = {(rule.path, rule.key) for rule in RULES} | WALKED.keys() | UNCHECKED.keys()
    found = {model: structure for name in STORED | SENT for model, structure in reached(name)}
    at_elements = {"Organization.address", "Organization.telecom", "Narrative.div"}
    known = {
        path: keys
        for path, keys in INVARIANTS.items()
        if model_of(path) in found or (path in at_elements and path.partition(".")[0] in found)
    }
    assert len(known) > 20
    assert [(path, key) for path, keys in known.items() for key in keys if (path, key) not in asked] == []
    for path, keys in known.items():
        if path not in at_elements:
            here = {rule.key for rule in found[model_of(path)].rules}
            unasked = {"sqty-1"} | {key for at, key in [*WALKED, *UNCHECKED] if at == path}
            assert keys.keys() - unasked <= here, path


def test_invariants_of_one_element_are_asked_there_alone() -> None:
    content = {
        "resourceType": "Organization",
        "name": "A",
        "address": [{"use": "work", "city": "B"}, {"use": "home", "city": "B"}],
        "telecom": [{"use": "home", "system": "phone", "value": "1"}],
        "contact": [{"address": {"use": "home", "city": "B"}}],
    }
    told = [(problem.expression, problem.text[:6]) for problem in find_problems("Organization", content)]
    assert told == [("Organization.address[1]", "org-2:"), ("Organization.telecom[0]", "org-3:")]
    low = {"value": 1, "comparator": "<"}
    about = {"resourceType": "Observation", "status": "final", "code": {"text": "A"}}
    check_resource("Observation", {**about, "valueQuantity": low})
    (problem,) = find_problems("Observation", {**about, "referenceRange": [{"low": low}]})
    assert problem.expression == "Observation.referenceRange[0].low.comparator"
    assert problem.text == "sqty-1: The comparator is not used on a SimpleQuantity"


def test_an_invariant_is_not_asked_of_what_has_no_sound_structure() -> None:
    content = {"resourceType": "Organization", "identifier": 1, "name": None, "address": [{"use": {}}]}
    told = [problem.expression for problem in find_problems("Organization", content)]
    assert told == ["Organization.identifier", "Organization.name", "Organization.address[0].use"]


def test_a_subtype_of_quantity_keeps_its_rules() -> None:
    content = {
        "resourceType": "Condition",
        "subject": {"display": "A"},
        "onsetAge": {"value": 1, "code": "a"},
    }
    told = [(problem.expression, problem.text[:6]) for problem in find_problems("Condition", content)]
    assert told == [("Condition.onset.system", "qty-3:")]
