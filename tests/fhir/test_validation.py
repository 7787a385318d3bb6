"""What R4 allows passes; what it forbids is refused with the right kind and FHIRPath."""

import json
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from referral.domain.errors import DomainError, InvalidElement, MissingElement, UnknownCode
from referral.fhir.content import read_content, write_content
from referral.fhir.validation import check_resource
from tests.fhir.whole_resources import (
    ABOUT_OUTER,
    ABSENT,
    EXTENSION,
    PATIENT,
    TASK,
    WHOLE,
    changed,
    fresh,
    refusal,
)


@pytest.mark.parametrize("start", WHOLE.values(), ids=WHOLE)
def test_the_resources_that_the_cases_change_are_valid(start: dict[str, Any]) -> None:
    check_resource(start["resourceType"], start)


@pytest.mark.parametrize(
    ("resource", "path", "value"),
    [
        ("Patient", "_birthDate", {"extension": [EXTENSION]}),
        ("Patient", "name/0/_given", [{"id": "a"}]),
        ("Patient", "name/0/given", ["B", "C", "D"]),
        ("Patient", "extension", [{"url": "a", "extension": [EXTENSION]}]),
        ("Patient", "extension", [{"url": "a", "_valueString": {"extension": [EXTENSION]}}]),
        ("Patient", "contained", [{"resourceType": "Account", "id": "m", "status": "active", **ABOUT_OUTER}]),
        ("Patient", "contained", [{"resourceType": "Medication"}]),
        ("Patient", "modifierExtension", [EXTENSION]),
        ("Patient", "implicitRules", "http://rules.example"),
        ("Patient", "extension", [{"url": "a", "valueMeta": {"source": "http://ehr.example"}}]),
        ("Patient", "id", "A-1." + "z" * 60),
        ("Patient", "deceasedDateTime", "2016-12-31T23:59:60Z"),
        ("Patient", "managingOrganization", {"identifier": {"value": "1"}}),
        ("Patient", "managingOrganization", {"extension": [EXTENSION]}),
        ("Task", "priority", ABSENT),
        ("Task", "status", "in-progress"),
        ("Task", "output", [{"type": {"text": "place"}, "valueString": " 2nd floor\n"}]),
        ("Task", "code", {"coding": [{"code": "two words"}]}),
        ("Task", "encounter", {"reference": "urn:uuid:e5e0f2c4-4c5e-4a0f-9c1c-6d2c2f0b5a10"}),
        ("Task", "encounter", {"reference": "https://ehr.example/fhir/Encounter/1"}),
        ("Task", "encounter", {"reference": "https://ehr.example/Visit/1"}),
        ("Task", "encounter", {"reference": "Encounter?identifier=http://ehr.example|1"}),
        ("Task", "encounter", {"type": "Encounter", "identifier": {"value": "1"}}),
        ("Condition", "subject", {"reference": "Group/1"}),
        ("Observation", "valueQuantity/value", 10**30),
        ("Observation", "valueQuantity/value", 0.01),
    ],
)
def test_what_r4_allows_passes(resource: str, path: str, value: Any) -> None:
    check_resource(resource, changed(WHOLE[resource], path, value))


@pytest.mark.parametrize(
    ("resource", "path", "value", "expression"),
    [
        # Unknown elements, at any depth.
        ("Task", "banana", 1, "Task.banana"),
        ("Task", "_banana", {}, "Task._banana"),
        ("Task", "input/0/banana", "x", "Task.input[0].banana"),
        ("Task", "contained/0/name/0/banana", "x", "Task.contained[0].name[0].banana"),
        ("Task", "extension/0/banana", "x", "Task.extension[0].banana"),
        ("Task", "_status", {"value": "x"}, "Task.status.value"),
        ("Task", "_focus", {"id": "x"}, "Task._focus"),
        ("Task", "fhir_comments", ["x"], "Task"),
        ("Task", "two words", "x", "Task"),
        ("Task", "x" * 65, "x", "Task"),
        (
            "Task",
            "extension/0/valueCodeableReference",
            {"concept": {}},
            "Task.extension[0].valueCodeableReference",
        ),
        ("Task", "for/resourceType", "Reference", "Task.for.resourceType"),
        # Wrong JSON types.
        ("Patient", "active", "true", "Patient.active"),
        ("Patient", "active", 1, "Patient.active"),
        ("Patient", "gender", 1, "Patient.gender"),
        ("Patient", "birthDate", 1970, "Patient.birthDate"),
        ("Patient", "name", {"text": "B"}, "Patient.name"),
        ("Patient", "name", ["B"], "Patient.name[0]"),
        ("Patient", "name/0/given", "B", "Patient.name[0].given"),
        ("Patient", "name/0/text", ["B"], "Patient.name[0].text"),
        ("Patient", "name/0/text", {"value": "B"}, "Patient.name[0].text"),
        ("Patient", "photo/0/data", 1, "Patient.photo[0].data"),
        ("Task", "for", [{"reference": "Patient/1"}], "Task.for"),
        ("Task", "restriction/repetitions", "1", "Task.restriction.repetitions"),
        ("Task", "restriction/repetitions", True, "Task.restriction.repetitions"),
        ("Task", "restriction/repetitions", 1.0, "Task.restriction.repetitions"),
        ("Task", "restriction/repetitions", 0, "Task.restriction.repetitions"),
        ("Observation", "valueQuantity/value", "37", "Observation.value.value"),
        ("Observation", "valueQuantity/value", True, "Observation.value.value"),
        # Nothing may be empty or null.
        ("Patient", "name/0/text", "", "Patient.name[0].text"),
        ("Patient", "name/0/text", " \n", "Patient.name[0].text"),
        ("Patient", "name", [], "Patient.name"),
        ("Patient", "name", [{}], "Patient.name[0]"),
        ("Patient", "name", [None], "Patient.name[0]"),
        ("Patient", "name", None, "Patient.name"),
        ("Patient", "name", [{"id": "a"}], "Patient.name[0]"),
        ("Patient", "name/0/given", [None], "Patient.name[0].given[0]"),
        ("Patient", "name/0/_given", [{"id": "a"}, None], "Patient.name[0].given[1]"),
        ("Patient", "name/0/_given", [{}], "Patient.name[0].given[0]"),
        ("Patient", "_deceasedBoolean", {"id": "a"}, "Patient.deceased"),
        ("Patient", "meta", {}, "Patient.meta"),
        ("Task", "for", {}, "Task.for"),
        # Choices.
        ("Task", "input/0/valueString", "x", "Task.input[0].value"),
        ("Task", "input/0/_valueString", {"extension": [EXTENSION]}, "Task.input[0].value"),
        ("Task", "extension/0/extension", [EXTENSION], "Task.extension[0]"),
        # Forms of primitives.
        ("Patient", "birthDate", "2026-13-45", "Patient.birthDate"),
        ("Patient", "birthDate", "2026-02-30", "Patient.birthDate"),
        ("Patient", "birthDate", "2026-01-01T00:00:00Z", "Patient.birthDate"),
        ("Task", "authoredOn", "2026-01-02T08:00:00", "Task.authoredOn"),
        ("Task", "authoredOn", "2026-01-02T08:00+07:00", "Task.authoredOn"),
        ("Task", "authoredOn", "2026-01-02T24:00:00Z", "Task.authoredOn"),
        ("Observation", "issued", "2026-01-02T08:00:00", "Observation.issued"),
        ("Observation", "issued", "2026-01-02", "Observation.issued"),
        ("Patient", "id", "a b", "Patient.id"),
        ("Patient", "id", "a_b", "Patient.id"),
        ("Patient", "id", "a\n", "Patient.id"),
        ("Patient", "id", "a" * 65, "Patient.id"),
        ("Patient", "language", " vi", "Patient.language"),
        ("Patient", "language", "v  i", "Patient.language"),
        ("Patient", "implicitRules", "a b", "Patient.implicitRules"),
        ("Patient", "photo/0/data", "not base64", "Patient.photo[0].data"),
        ("Patient", "photo/0/data", "iVBORw0KGg==o", "Patient.photo[0].data"),
        ("Task", "text/div", "An offer", "Task.text.div"),
        ("Task", "text/div", "<div>An offer</div>", "Task.text.div"),
        # Contained resources.
        ("Task", "contained/0/resourceType", "Banana", "Task.contained[0].resourceType"),
        ("Task", "contained/0/resourceType", "HumanName", "Task.contained[0].resourceType"),
        ("Task", "contained/0/resourceType", "SubscriptionStatus", "Task.contained[0].resourceType"),
        ("Task", "contained/0/resourceType", ["Patient"], "Task.contained[0].resourceType"),
        ("Task", "contained/0/resourceType", ABSENT, "Task.contained[0].resourceType"),
        ("Task", "contained", [*TASK["contained"], "Patient"], "Task.contained[1]"),
        ("Task", "contained/0/contained", [PATIENT], "Task.contained[0].contained"),
        # References.
        ("Task", "for/reference", "#q", "Task.for.reference"),
        ("Task", "encounter", {"reference": "Patient/1"}, "Task.encounter.reference"),
        ("Task", "encounter", {"reference": "http://ehr.example/r4/Patient/1"}, "Task.encounter.reference"),
        (
            "Task",
            "encounter",
            {"reference": "https://e.example/Patient/1/_history/2"},
            "Task.encounter.reference",
        ),
        ("Task", "encounter", {"reference": "Patient?identifier=1"}, "Task.encounter.reference"),
        ("Task", "encounter", {"reference": "#p"}, "Task.encounter.reference"),
        ("Task", "encounter", {"type": "Patient", "identifier": {"value": "1"}}, "Task.encounter.type"),
        ("Observation", "subject", {"reference": "Practitioner/1"}, "Observation.subject.reference"),
        ("Condition", "subject", {"reference": "Banana/1/_history/2"}, "Condition.subject.reference"),
        ("Task", "contained/0/id", "other", "Task.for.reference"),
        ("Task", "contained", ABSENT, "Task.for.reference"),
    ],
)
def test_a_wrong_form_is_refused(resource: str, path: str, value: Any, expression: str) -> None:
    refused = refusal(changed(WHOLE[resource], path, value))
    assert type(refused) is InvalidElement
    assert [problem.expression for problem in refused.problems] == [expression]


@pytest.mark.parametrize(
    ("resource", "path", "value", "expression"),
    [
        ("Task", "status", "banana", "Task.status"),
        ("Task", "status", "Requested", "Task.status"),
        ("Task", "intent", "orders", "Task.intent"),
        ("Task", "priority", "soon", "Task.priority"),
        ("Task", "text/status", "complete", "Task.text.status"),
        ("Observation", "status", "ready", "Observation.status"),
        ("Observation", "valueQuantity/comparator", "=", "Observation.value.comparator"),
        ("Patient", "gender", "f", "Patient.gender"),
        ("Patient", "photo/0/contentType", "png", "Patient.photo[0].contentType"),
        ("Patient", "name/0/use", "first", "Patient.name[0].use"),
        ("Patient", "telecom", [{"system": "telex", "value": "1"}], "Patient.telecom[0].system"),
        ("Patient", "address", [{"use": "home", "type": "flat"}], "Patient.address[0].type"),
        ("Patient", "identifier", [{"use": "own"}], "Patient.identifier[0].use"),
        (
            "Patient",
            "extension",
            [{"url": "a", "valueAge": {"comparator": "~"}}],
            "Patient.extension[0].value.comparator",
        ),
        ("Task", "contained/0/gender", "f", "Task.contained[0].gender"),
        ("Condition", "clinicalStatus", {"text": "active"}, "Condition.clinicalStatus"),
        ("Condition", "clinicalStatus/coding/0/code", "alive", "Condition.clinicalStatus"),
        ("Condition", "clinicalStatus/coding/0/system", "urn:x", "Condition.clinicalStatus"),
    ],
)
def test_a_code_outside_its_value_set_is_refused(
    resource: str, path: str, value: Any, expression: str
) -> None:
    refused = refusal(changed(WHOLE[resource], path, value))
    assert type(refused) is UnknownCode
    assert [problem.expression for problem in refused.problems] == [expression]


@pytest.mark.parametrize(
    ("resource", "path", "value", "expression"),
    [
        ("Task", "status", ABSENT, "Task.status"),
        ("Task", "input/0/type", ABSENT, "Task.input[0].type"),
        ("Task", "input/0/valueDateTime", ABSENT, "Task.input[0].value"),
        ("Task", "encounter", {"type": "Encounter"}, "Task.encounter.reference"),
        ("Task", "extension/0/valueCode", ABSENT, "Task.extension[0].value"),
        ("Task", "extension/0/url", ABSENT, "Task.extension[0].url"),
        ("Task", "text/div", ABSENT, "Task.text.div"),
        ("Observation", "code", ABSENT, "Observation.code"),
        ("Condition", "subject", ABSENT, "Condition.subject"),
    ],
)
def test_a_missing_element_is_refused(resource: str, path: str, value: Any, expression: str) -> None:
    refused = refusal(changed(WHOLE[resource], path, value))
    assert type(refused) is MissingElement
    assert [problem.expression for problem in refused.problems] == [expression]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a resource."""
    found = [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
    for container, key in list(found):
        if isinstance(container[key], dict | list):
            found += places(container[key])
    return found


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text("aZ09 -.:é", max_size=8),
    st.sampled_from(
        [
            [],
            {},
            [None],
            [{}],
            [[]],
            {"id": "x"},
            {"extension": [EXTENSION]},
            EXTENSION,
            1.5,
            PATIENT,
            [PATIENT],
            {"reference": "#p"},
            {"coding": [{"code": ["x"], "system": {}}]},
            {"resourceType": {}},
        ]
    ),
)
NAMES = st.sampled_from(
    ["status", "_status", "valueString", "extension", "id", "contained", "resourceType", "value"]
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    content = fresh(draw(st.sampled_from(list(WHOLE.values()))))
    for _ in range(draw(st.integers(1, 3))):
        found = places(content)
        assume(found)
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "remove", "add", "move"])):
            case "replace":
                container[key] = fresh(draw(STRANGE))
            case "remove":
                del container[key]
            case "move":
                other, from_key = draw(st.sampled_from(found))
                container[key] = fresh(other[from_key])
            case _ if isinstance(container, dict):
                container[draw(NAMES)] = fresh(draw(STRANGE))
    return read_content(json.dumps(content).encode())


@given(mutated())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_passes_the_models_take_too(content: dict[str, Any]) -> None:
    resource_type = str(content.get("resourceType"))
    try:
        check_resource(resource_type, content)
    except DomainError:
        return
    get_fhir_model_class(resource_type).model_validate_json(write_content(content))
