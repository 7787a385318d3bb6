"""What is wrong with a resource is told at once, and what hangs together is checked together."""

from typing import Any

import pytest

from referral.domain.errors import BrokenRule, InvalidElement, MissingElement, UnknownCode
from referral.fhir.validation import MAX_PROBLEMS, check_resource
from tests.fhir.whole_resources import (
    ABSENT,
    AS_TASK,
    EXTENSION,
    OBSERVATION,
    PATIENT,
    TASK,
    changed,
    fresh,
    refusal,
)


def test_a_required_value_may_be_an_extension_that_says_why_not() -> None:
    content = changed(TASK, "status", ABSENT)
    content["_status"] = {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}
    check_resource("Task", content)


@pytest.mark.parametrize("named", ["Patient", "Banana", None, 7, ["Task"]])
def test_another_resource_type_is_refused(named: object) -> None:
    refused = refusal({**TASK, "resourceType": named}, "Task")
    assert type(refused) is InvalidElement
    assert refused.problems[0].expression == "Task.resourceType"


def test_all_problems_are_told_the_gravest_kind_first() -> None:
    content = changed(TASK, "intent", ABSENT) | {"priority": "soon", "banana": 1}
    refused = refusal(content)
    assert type(refused) is InvalidElement
    assert [problem.expression for problem in refused.problems] == [
        "Task.banana",
        "Task.priority",
        "Task.intent",
    ]


def test_each_problem_has_its_kind() -> None:
    content = changed(TASK, "intent", ABSENT) | {
        "priority": "soon",
        "banana": 1,
        "lastModified": "2026-01-01",
    }
    del content["contained"]
    content["for"] = {"display": "A person"}
    kinds = [(problem.expression, problem.kind) for problem in refusal(content).problems]
    assert kinds == [
        ("Task.banana", InvalidElement),
        ("Task.priority", UnknownCode),
        ("Task.intent", MissingElement),
    ]
    del content["banana"]
    kinds = [(problem.expression, problem.kind) for problem in refusal(content).problems]
    assert kinds == [
        ("Task.priority", UnknownCode),
        ("Task.intent", MissingElement),
        ("Task.lastModified", BrokenRule),
    ]


def test_what_the_service_acts_on_has_no_modifiers() -> None:
    offer = {**TASK, "code": {"coding": [{"code": "fulfill"}]}, "owner": {"display": "A hospital"}}
    offer["modifierExtension"] = [EXTENSION]
    offer["input"] = [{**TASK["input"][0], "modifierExtension": [EXTENSION]}]
    place = {"resourceType": "Location", "implicitRules": "http://rules.example"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
            for resource in (offer, {**OBSERVATION, "modifierExtension": [EXTENSION]}, place)
        ],
    }
    refused = refusal(bundle)
    assert type(refused) is BrokenRule
    assert [problem.expression for problem in refused.problems] == [
        "Bundle.entry[0].resource.input[0].modifierExtension[0]",
        "Bundle.entry[0].resource.modifierExtension[0]",
        "Bundle.entry[2].resource.implicitRules",
    ]


def test_references_to_entries_of_a_bundle_are_of_the_type_that_stands_there() -> None:
    person, visit = "urn:uuid:0b5a10f4-0000-4000-8000-000000000001", "http://ehr.example/visits?number=1"
    task = changed(TASK, "contained", ABSENT)
    entries = [(None, {**task, "encounter": {"reference": person}, "for": {"reference": visit}})]
    entries += [(person, PATIENT), (visit, {"resourceType": "Encounter", "status": "planned"})]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": made} | ({"fullUrl": url} if url else {}) for url, made in entries],
    }
    refused = refusal(fresh(bundle))
    assert type(refused) is InvalidElement
    assert [problem.expression for problem in refused.problems] == [
        "Bundle.entry[0].resource.encounter.reference",
        "Bundle.entry[2].resource.class",
    ]


@pytest.mark.parametrize(
    ("inner", "expression"),
    [
        ({"id": "q"}, "Task.contained[1]"),
        ({"id": "q", "partOf": [{"reference": "#q"}]}, None),
        ({"id": "q", "partOf": [{"reference": "#"}]}, None),
        ({"id": "q", "instantiatesCanonical": "#q"}, None),
        ({"id": "p", "meta": {"versionId": "1"}}, "Task.contained[1].meta.versionId"),
        ({"id": "p", "meta": {"lastUpdated": "2026-01-02T00:00:00Z"}}, "Task.contained[1].meta.lastUpdated"),
        ({"id": "p", "meta": {"security": [{"code": "R"}]}}, "Task.contained[1].meta.security"),
        ({"id": "p", "meta": {"tag": [{"code": "R"}]}}, None),
    ],
)
def test_contained_resources_belong_to_what_contains_them(
    inner: dict[str, Any], expression: str | None
) -> None:
    task = {"resourceType": "Task", "status": "draft", "intent": "order", **inner}
    content = {**TASK, "contained": [*TASK["contained"], task]}
    if expression is None:
        check_resource("Task", content)
    else:
        assert [problem.expression for problem in refusal(content).problems] == [expression]


def test_a_hopeless_resource_is_not_told_everything() -> None:
    refused = refusal({**TASK, "note": [{}] * 5000})
    assert len(refused.problems) == MAX_PROBLEMS


def test_no_problem_repeats_a_value() -> None:
    secret = "Nguyễn Văn Bí Mật"
    for path in ("status", "authoredOn", "for", "id", secret, "text/div", "text/status"):
        refused = refusal(changed(TASK, path, secret))
        assert secret not in str(refused)
        assert all(secret not in str(problem.expression) for problem in refused.problems)


def test_entries_of_a_bundle_are_checked_where_they_are() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": TASK, "request": AS_TASK},
            {"resource": {**TASK, "contained": [{**TASK["contained"][0], "id": "q"}]}, "request": AS_TASK},
            {"resource": {**OBSERVATION, "status": "banana"}, "request": AS_TASK},
        ],
    }
    refused = refusal(bundle)
    assert [problem.expression for problem in refused.problems] == [
        "Bundle.entry[1].resource.for.reference",
        "Bundle.entry[2].resource.status",
    ]
