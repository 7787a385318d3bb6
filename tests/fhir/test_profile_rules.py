"""The rules of our profiles by hand agree with the profiles: examples pass, counter-examples do not."""

from typing import Any

import pytest

from referral.domain.errors import BrokenRule, DomainError, MissingElement
from referral.fhir.content import read_content, write_content
from referral.fhir.profile_rules import KNOWN
from referral.fhir.profiles import artefacts
from referral.fhir.systems import BASE
from referral.fhir.validation import check_resource, find_problems
from tests.profiles.examples import CounterExample, counter_examples, examples

# What is not refused by the content alone, and by what it is.
LATER = {
    "the typed rows of the directory": """
        affiliation-with-itself facility-long-insurer-code location-latitude location-longitude
        service-age-in-months service-age-of-a-tree service-capacity-status service-capacity-without-status
        service-fewer-than-no-places""",
    "the submission of a referral": """
        referral-direction referral-direction-in-words referral-network-by-name
        referral-network-of-another-type
        referral-revoked-without-reason referral-status""",
    "the move of an offer": """
        offer-asked-without-words offer-business-status offer-completed-without-disposition
        offer-completed-without-outcome offer-completed-without-summary offer-disposition
        offer-outcome-in-words offer-outcome offer-passed-on-to-a-patient offer-passed-on-without-words
        offer-rejected-without-words offer-status offer-summary-in-words offer-summary-of-another-type
        offer-words-that-do-not-fit""",
    "nobody, since only the service writes suggestions": """
        suggestion-cost-in-hours suggestion-order suggestion-rule suggestion-sum suggestion-term
        suggestion-without-cost suggestion-without-term""",
}
DECIDED_LATER = {name for names in LATER.values() for name in names.split()}


def read(resource: dict[str, Any]) -> dict[str, Any]:
    return read_content(write_content(resource))


@pytest.mark.parametrize("name", examples())
def test_an_example_passes(name: str) -> None:
    content = read(examples()[name])
    check_resource(content["resourceType"], content)


@pytest.mark.parametrize("broken", counter_examples(), ids=str)
def test_a_counter_example_is_refused_or_left_to_the_actions(broken: CounterExample) -> None:
    content = read(broken.resource)
    told = [problem.expression or "" for problem in find_problems(content["resourceType"], content)]
    assert [path for path in told if not path.startswith(broken.element)] == [], broken.rule
    assert bool(told) is (broken.name not in DECIDED_LATER), broken.rule


PROFILE = f"{BASE}/StructureDefinition"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            {"resourceType": "Patient", "meta": {"profile": [f"{PROFILE}/referral|0.2.0"]}},
            [(BrokenRule, "Patient.meta.profile[0]")],
        ),
        ({"resourceType": "Patient", "meta": {"profile": [f"{PROFILE}/unheard-of"]}}, []),
        ({"resourceType": "Patient", "meta": {"profile": ["http://other.example/referral"]}}, []),
        (
            {
                "resourceType": "Task",
                "status": "draft",
                "intent": "plan",
                "meta": {"profile": [f"{PROFILE}/offer"]},
            },
            [
                *((MissingElement, f"Task.{name}") for name in ("code", "focus", "owner")),
                (BrokenRule, "Task.intent"),
            ],
        ),
        ({"resourceType": "Task", "status": "draft", "intent": "plan"}, []),
    ],
)
def test_a_profile_holds_for_what_declares_it(
    resource: dict[str, Any], expected: list[tuple[type[DomainError], str]]
) -> None:
    problems = find_problems(resource["resourceType"], resource)
    assert [(problem.kind, problem.expression) for problem in problems] == expected


def test_a_referral_need_not_declare_its_profile() -> None:
    (up,) = [one for name, one in examples().items() if name == "ServiceRequest/referral-up"]
    plain = {name: value for name, value in up.items() if name != "meta"}
    direction = {"url": f"{PROFILE}/direction", "valueCode": "up"}
    content = read({**plain, "extension": [direction, direction], "subject": {"reference": "urn:uuid:1"}})
    (problem,) = find_problems("ServiceRequest", content)
    assert problem.expression == "ServiceRequest.extension[1]"
    of_a_group = {
        "subject": {"reference": "https://ehr.example/Group/1/_history/2"},
        "extension": [direction],
    }
    (problem,) = find_problems("ServiceRequest", content | of_a_group)
    assert (problem.kind, problem.expression) == (BrokenRule, "ServiceRequest.subject")


def test_every_profile_of_the_package_has_its_rules() -> None:
    assert {address for address, one in artefacts().items() if is_profile(one)} == KNOWN


def is_profile(artefact: dict[str, Any]) -> bool:
    return artefact["resourceType"] == "StructureDefinition" and artefact["type"] != "Extension"


@pytest.mark.parametrize(
    ("literal", "fits"),
    [
        ("ServiceRequest/1/_history/2", True),
        ("https://ehr.example/r4/ServiceRequest/1", True),
        ("https://ehr.example/r4/ServiceRequest/1/_history/2", True),
        ("https://ehr.example/r4/Task/1", False),
        ("Task/1", False),
        ("urn:uuid:0b5a10f4-0000-4000-8000-000000000001", True),
        ("a/_history/1", True),
        ("/", True),
        ("orders", True),
    ],
)
def test_the_focus_of_an_offer_is_a_referral_where_it_says_what_it_is(literal: str, fits: bool) -> None:
    requested = read(examples()["Task/offer-requested"]) | {"focus": {"reference": literal}}
    told = [problem.expression for problem in find_problems("Task", requested)]
    assert told == ([] if fits else ["Task.focus"])
