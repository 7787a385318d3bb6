"""$suggest-targets: what it understands, and that its answer adds up on the wire."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B.parameters import Parameters
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.codes import Direction, Priority
from referral.domain.errors import BrokenRule, DomainError, InvalidElement, MissingElement, UnknownCode
from referral.domain.facility import FacilityId, ServiceId
from referral.domain.suggestion import CostCode, Excluded, Exclusion, Need, Suggestion, Suggestions, Term
from referral.fhir import systems
from referral.fhir.content import RawNumber, read_content, write_content
from referral.fhir.suggestion import Question, age_on, need_of, read_query, read_question, write_suggestions
from referral.fhir.validation import check_resource

DRAFT: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "code": {"coding": [{"system": systems.technique_system("list-1"), "code": "03.1"}]},
}
TODAY = date(2026, 3, 1)


def parameters(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters"} | ({"parameter": list(entries)} if entries else {})


def sent(request: dict[str, Any] = DRAFT) -> dict[str, Any]:
    return {"name": "serviceRequest", "resource": request}


def test_a_draft_without_status_intent_and_subject_is_enough() -> None:
    assert read_question(parameters(sent()), stored=False) == Question(DRAFT, 10, with_excluded=False)


def test_a_stored_request_needs_no_parameters() -> None:
    assert read_question(parameters(), stored=True) == Question(None, 10, with_excluded=False)


def test_count_and_excluded_are_understood() -> None:
    content = parameters({"name": "count", "valuePositiveInt": 3}, {"name": "excluded", "valueBoolean": True})
    assert read_question(content, stored=True) == Question(None, 3, with_excluded=True)


@pytest.mark.parametrize("kind", ["valuePositiveInt", "valueUnsignedInt", "valueInteger"])
def test_no_more_than_a_hundred_are_counted(kind: str) -> None:
    assert read_question(parameters({"name": "count", kind: 5000}), stored=True).count == 100


@pytest.mark.parametrize(
    ("entries", "error", "expression"),
    [
        ([], MissingElement, "Parameters.parameter"),
        ([{"name": "limit", "valueInteger": 1}], InvalidElement, "Parameters.parameter[0].name"),
        ([sent(), sent()], InvalidElement, "Parameters.parameter[1].name"),
        ([sent(), {"name": "count", "valueString": "3"}], InvalidElement, "Parameters.parameter[1]"),
        ([sent(), {"name": "count", "valueInteger": 0}], InvalidElement, "Parameters.parameter"),
        ([sent(), {"name": "count"}], BrokenRule, "Parameters.parameter[1]"),
        ([{"name": "serviceRequest", "valueString": "x"}], InvalidElement, "Parameters.parameter[0]"),
        ([sent({"resourceType": "Basic", "code": {"text": "x"}})], InvalidElement, "Parameters.parameter"),
        ([{"valueString": "x"}], MissingElement, "Parameters.parameter[0].name"),
        (["x"], InvalidElement, "Parameters.parameter[0]"),
        ([sent(DRAFT | {"urgency": 1})], InvalidElement, "Parameters.parameter[0].resource.urgency"),
        ([sent(DRAFT | {"priority": "now"})], UnknownCode, "Parameters.parameter[0].resource.priority"),
    ],
)
def test_other_parameters_are_refused(entries: list[Any], error: type[DomainError], expression: str) -> None:
    content = {"resourceType": "Parameters"} | ({"parameter": entries} if entries else {})
    with pytest.raises(error) as refusal:
        read_question(content, stored=False)
    assert [problem.expression for problem in refusal.value.problems] == [expression]


@pytest.mark.parametrize("entries", ["x", {"name": "count"}, []])
def test_parameters_of_another_form_are_refused(entries: object) -> None:
    with pytest.raises(InvalidElement):
        read_question({"resourceType": "Parameters", "parameter": entries}, stored=True)


def test_no_request_is_sent_about_a_stored_one() -> None:
    with pytest.raises(InvalidElement, match="serviceRequest"):
        read_question(parameters(sent()), stored=True)


@pytest.mark.parametrize(
    ("pairs", "question"),
    [
        ([], Question(None, 10, with_excluded=False)),
        ([("count", "3"), ("excluded", "true")], Question(None, 3, with_excluded=True)),
        ([("count", "999999999"), ("excluded", "false")], Question(None, 100, with_excluded=False)),
    ],
)
def test_a_query_says_the_same(pairs: list[tuple[str, str]], question: Question) -> None:
    assert read_query(pairs) == question


@pytest.mark.parametrize(
    "pairs",
    [
        [("limit", "1")],
        [("count", "1"), ("count", "2")],
        [("count", "")],
        [("count", "0")],
        [("count", "-1")],
        [("count", "²")],
        [("count", "1" * 5000)],
        [("excluded", "yes")],
    ],
)
def test_other_queries_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidElement):
        read_query(pairs)


def test_the_need_of_a_request_and_its_patient() -> None:
    request = DRAFT | {
        "priority": "urgent",
        "performerType": {"coding": [{"system": systems.SNOMED_CT, "code": "394609007"}]},
        "extension": [{"url": systems.DIRECTION_EXTENSION, "valueCode": "lateral"}],
        "reasonCode": [
            {"coding": [{"system": systems.ICD_10, "code": "I21"}, {"code": "a system is missing"}]}
        ],
        "supportingInfo": [{"reference": "Observation/o1"}],
    }
    patient = {"birthDate": "1990-03-02", "gender": "female"}
    assert need_of(request, patient, TODAY) == Need(
        technique=("list-1", "03.1"),
        specialty="394609007",
        priority=Priority.URGENT,
        direction=Direction.LATERAL,
        codes=frozenset({(systems.technique_system("list-1"), "03.1"), (systems.ICD_10, "I21")}),
        age=35,
        sex="female",
    )


def test_a_request_may_name_no_need_and_no_patient() -> None:
    assert need_of({"resourceType": "ServiceRequest"}, None, TODAY) == Need()


def test_a_direction_that_is_none_is_refused() -> None:
    request = DRAFT | {"extension": [{"url": systems.DIRECTION_EXTENSION, "valueCode": "sideways"}]}
    with pytest.raises(UnknownCode):
        need_of(request, None, TODAY)


@pytest.mark.parametrize(
    ("born", "years"),
    [
        ("2020-03-01", 6),
        ("2020-03-02", 5),
        ("2020-02-29", 6),
        ("2020-02", 6),
        ("2020-03", 5),
        ("2020", 5),
        ("2026-12-01", 0),
        ("2027", 0),
    ],
)
def test_years_are_completed_ones(born: str, years: int) -> None:
    assert age_on(born, TODAY) == years


def suggestion(travel: Decimal, level: Decimal, service: str | None = None) -> Suggestion:
    terms = (Term(CostCode.TRAVEL, travel, "by road"), Term(CostCode.LEVEL, level, "as needed"))
    return Suggestion(FacilityId("h-1"), None if service is None else ServiceId(service), terms)


def test_the_answer_has_the_shape_of_the_wire() -> None:
    found = Suggestions(
        ranked=(suggestion(Decimal("12.3"), Decimal("30.0"), "h-1-surgery"),),
        excluded=(Excluded(FacilityId("h-2"), Exclusion.CAPACITY, "full"),),
    )
    written = read_content(write_content(write_suggestions(found, {FacilityId("h-1"): "Hospital 1"})))
    cost = {"value": RawNumber("42.3"), "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}
    assert written == {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "suggestion",
                "part": [
                    {
                        "name": "target",
                        "valueReference": {"reference": "Organization/h-1", "display": "Hospital 1"},
                    },
                    {
                        "name": "service",
                        "valueReference": {"reference": "HealthcareService/h-1-surgery"},
                    },
                    {"name": "cost", "valueQuantity": cost},
                    {
                        "name": "term",
                        "part": [
                            {"name": "code", "valueCode": "travel"},
                            {"name": "minutes", "valueDecimal": RawNumber("12.3")},
                            {"name": "text", "valueString": "by road"},
                        ],
                    },
                    {
                        "name": "term",
                        "part": [
                            {"name": "code", "valueCode": "level"},
                            {"name": "minutes", "valueDecimal": RawNumber("30.0")},
                            {"name": "text", "valueString": "as needed"},
                        ],
                    },
                ],
            },
            {
                "name": "excluded",
                "part": [
                    {"name": "target", "valueReference": {"reference": "Organization/h-2"}},
                    {"name": "rule", "valueCode": "capacity"},
                    {"name": "text", "valueString": "full"},
                ],
            },
        ],
    }
    check_resource("Parameters", written)
    Parameters.model_validate_json(write_content(write_suggestions(found, {})))


def test_an_answer_without_targets_is_r4_too() -> None:
    nothing = write_suggestions(Suggestions((), ()), {})
    assert nothing == {"resourceType": "Parameters"}
    check_resource("Parameters", nothing)


MINUTES = st.integers(0, 10**6).map(lambda tenths: Decimal(tenths).scaleb(-1))


@given(MINUTES, MINUTES)
def test_terms_on_the_wire_add_up_to_the_cost_digit_for_digit(travel: Decimal, level: Decimal) -> None:
    found = Suggestions((suggestion(travel, level),), ())
    parts = read_content(write_content(write_suggestions(found, {})))["parameter"][0]["part"]
    terms = [part["part"][1]["valueDecimal"].text for part in parts if part["name"] == "term"]
    (cost,) = [part["valueQuantity"]["value"].text for part in parts if part["name"] == "cost"]
    assert str(sum(map(Decimal, terms))) == cost
