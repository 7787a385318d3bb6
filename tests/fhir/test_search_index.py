import tarfile
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.search import STRING_SEPARATOR, Kind
from referral.fhir.content import read_content
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.parameters import PARAMETERS
from referral.fhir.search_index import (
    folded_value,
    index_rows,
    rare_rows,
    reference_key,
    reference_target,
    string_key,
)
from referral.fhir.text_keys import fold, token_key

BASE = "https://hub.example/fhir"
EXAMPLES = Path(__file__).resolve().parents[2].parent / "shared/data/fhir_r4_official_examples.tar.gz"


def rows(resource_type: str, resolved: dict[tuple[str, str], tuple[str, str]] | None = None, **content: Any):
    return index_rows(resource_type, content, base=BASE, resolved=resolved)


def folded(found) -> set[tuple[str, str]]:
    return {(param, key.split(STRING_SEPARATOR)[0]) for param, key in found.strings}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nguyễn Văn Đức", "nguyen van duc"),
        ("  HẢI   Phòng\t", "hai phong"),
        ("Straße", "strasse"),
        ("", ""),
        ("\u0301", ""),
    ],
)
def test_fold(text, expected):
    assert fold(text) == expected


@given(st.text())
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_both_normal_forms_fold_alike(text):
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


@given(st.text(max_size=700), st.text(max_size=700))
def test_a_string_key_is_exact_and_fits_a_btree(one, other):
    assert (string_key(one) == string_key(other)) == (one == other)
    assert len(string_key(one).encode("utf-8", "surrogatepass")) < 2000
    assert string_key(one).startswith(folded_value(one))


def test_long_tokens_are_told_apart_by_their_digest():
    assert token_key("a" * 512) == "a" * 512
    assert len(token_key("a" * 513)) < 100
    assert token_key("a" * 513) != token_key("a" * 514)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Patient/1", ("Patient", "1")),
        ("Patient/1/_history/3", ("Patient", "1")),
        (f"{BASE}/Patient/1", ("Patient", "1")),
        ("https://other.example/fhir/Patient/1", None),
        ("urn:uuid:6a1c1b34-0000-4000-8000-000000000000", None),
        ("#contained", None),
        ("1", None),
        ("Patient/1/", None),
        ("Patient/" + "1" * 65, None),
    ],
)
def test_reference_target(text, target):
    assert reference_target(text, BASE) == target
    assert reference_target(text, BASE + "/") == target


def test_a_target_outside_is_found_by_its_address():
    assert reference_key("https://other.example/fhir/Patient/1", BASE) == (
        "",
        "https://other.example/fhir/Patient/1",
    )
    assert reference_key("#contained", BASE) is None


def test_tokens_of_every_type():
    found = rows(
        "Task",
        status="requested",
        identifier=[{"system": "urn:x", "value": "7"}, {"value": "8"}],
        code={"coding": [{"system": "urn:c", "code": "fulfill"}, {"code": "local"}], "text": "do it"},
        businessStatus={"text": "on its way"},
    )
    assert found.tokens == [
        ("business-status", "", ""),
        ("code", "urn:c", "fulfill"),
        ("code", "", "local"),
        ("identifier", "urn:x", "7"),
        ("identifier", "", "8"),
        ("status", "", "requested"),
    ]


def test_booleans_and_contact_points_are_tokens():
    telecom = [
        {"system": "phone", "value": "0225 123", "use": "work"},
        {"system": "email", "value": "an@example.org"},
        {"value": "nothing"},
    ]
    assert rows("Patient", active=False, telecom=telecom).tokens == [
        ("active", "", "false"),
        ("deceased", "", "false"),
        ("email", "", "an@example.org"),
        ("phone", "", "0225 123"),
        ("telecom", "", "0225 123"),
        ("telecom", "", "an@example.org"),
        ("telecom", "", "nothing"),
    ]


@pytest.mark.parametrize(
    ("content", "dead"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2026-02"}, "true"),
    ],
)
def test_who_is_not_said_to_be_dead_is_alive(content, dead):
    assert rows("Patient", **content).tokens == [("deceased", "", dead)]


def test_every_part_of_a_name_and_the_whole_are_found():
    found = folded(rows("Patient", name=[{"family": "Nguyễn", "given": ["Văn", "An"]}]))
    assert {key for param, key in found if param == "name"} == {
        *("nguyen", "van", "an", "nguyen van an", "van an nguyen"),
    }
    assert {key for param, key in found if param == "family"} == {"nguyen"}
    assert {key for param, key in found if param == "given"} == {"van", "an"}


def test_a_name_with_a_text_is_not_put_together_again():
    found = folded(
        rows("Practitioner", name=[{"text": "BS. Trần Bình", "family": "Trần", "given": ["Bình"]}])
    )
    assert {key for param, key in found if param == "name"} == {"bs. tran binh", "tran", "binh"}


def test_names_and_aliases_and_addresses_of_facilities():
    found = folded(
        rows(
            "Organization",
            name="Bệnh viện Kiến An",
            alias=["Kien An Hospital"],
            address=[{"use": "work", "line": ["1 Trần Tất Văn"], "city": "Hải Phòng", "country": "VN"}],
        )
    )
    assert found == {
        ("name", "benh vien kien an"),
        ("name", "kien an hospital"),
        ("address", "1 tran tat van"),
        ("address", "hai phong"),
        ("address", "vn"),
        ("address-city", "hai phong"),
        ("address-country", "vn"),
        ("phonetic", "ben vien kien an"),
    }


def test_references_literal_absolute_and_versioned():
    found = rows(
        "Task",
        **{"for": {"reference": f"{BASE}/Patient/p"}},
        focus={"reference": "ServiceRequest/s/_history/2"},
        owner={"reference": "https://other.example/Organization/o"},
        requester={"reference": "#me"},
    )
    assert found.references == [
        ("focus", "ServiceRequest", "s"),
        ("owner", "", "https://other.example/Organization/o"),
        ("requester", "", ""),
        ("subject", "Patient", "p"),
    ]


def test_logical_references_are_found_by_what_they_resolve_to_and_by_their_identifier():
    owner = {"identifier": {"system": "urn:f", "value": "31"}}
    requester = {"identifier": {"value": "32"}}
    found = rows("Task", {("urn:f", "31"): ("Organization", "o")}, owner=owner, requester=requester)
    assert found.references == [("owner", "Organization", "o"), ("requester", "", "")]
    assert found.tokens == [("owner:identifier", "urn:f", "31"), ("requester:identifier", "", "32")]


def test_a_literal_reference_wins_over_its_identifier():
    owner = {"reference": "Organization/a", "identifier": {"system": "urn:f", "value": "31"}}
    found = rows("Task", {("urn:f", "31"): ("Organization", "b")}, owner=owner)
    assert found.references == [("owner", "Organization", "a")]


def test_patient_has_no_rows_of_its_own():
    found = rows("Condition", subject={"reference": "Patient/p"})
    assert found.references == [("subject", "Patient", "p")]


@pytest.mark.parametrize(
    "content",
    [
        {"occurrenceDateTime": "2024-05"},
        {"occurrencePeriod": {"start": "2024-05-01", "end": "2024-05-31"}},
        {"occurrenceTiming": {"event": ["2024-05-31", "2024-05-01"]}},
        {"occurrenceTiming": {"repeat": {"boundsPeriod": {"start": "2024-05-01", "end": "2024-05"}}}},
    ],
)
def test_dates_of_every_form(content):
    low, high = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
    assert rows("ServiceRequest", **content).dates == [("occurrence", low, high)]


def test_open_periods_reach_the_ends_of_time():
    year = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert rows("Task", executionPeriod={"start": "2024"}).dates == [("period", year[0], END)]
    assert rows("Task", executionPeriod={"end": "2024"}).dates == [("period", BEGINNING, year[1])]
    assert rows("Task", executionPeriod={}).dates == []
    assert rows("ServiceRequest", occurrenceTiming={"code": {"text": "daily"}}).dates == []


def test_equal_rows_stand_once():
    found = rows("Task", identifier=[{"value": "1"}, {"value": "1"}])
    assert found.tokens == [("identifier", "", "1")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["2024", "Patient/1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "value", "reference", "identifier", "start", "event"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.data())
def test_any_content_gives_rows_and_never_an_error(data):
    resource_type = data.draw(st.sampled_from(sorted(PARAMETERS)))
    elements = sorted(
        {
            path.split(".")[0].replace("[x]", "Timing").partition("[")[0]
            for each in PARAMETERS[resource_type]
            for path in each.paths
        }
    )
    content = data.draw(st.dictionaries(st.sampled_from(elements), json_values, max_size=5))
    found = index_rows(resource_type, content, base=BASE)
    for low, high in [(low, high) for _, low, high in found.dates]:
        assert BEGINNING <= low <= high <= END
    for row in [*found.tokens, *found.references, *found.strings]:
        assert all(isinstance(part, str) for part in row)


def official_examples() -> list[tuple[str, bytes]]:
    if not EXAMPLES.exists():
        return []
    with tarfile.open(EXAMPLES) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        wanted = [member for member in members if Path(member.name).name.split("-")[0] in PARAMETERS]
        return [
            (member.name, file.read())
            for member in wanted
            if (file := archive.extractfile(member)) is not None
        ]


def test_the_official_examples_are_indexed():
    examples = official_examples()
    if not examples:
        pytest.skip("../shared/data/fhir_r4_official_examples.tar.gz is missing")
    for name, body in examples:
        content = read_content(body)
        found = index_rows(content["resourceType"], content, base=BASE)
        assert found.tokens or found.references or found.strings, name
        if "status" in content and content["resourceType"] in ("Task", "ServiceRequest", "Observation"):
            assert ("status", "", content["status"]) in found.tokens


def test_addresses_are_tokens_of_their_own_system():
    found = rows("ServiceRequest", meta={"profile": ["urn:p"]}, instantiatesUri=["urn:one", "urn:two"])
    assert found.tokens == [
        ("_profile", "urn:ietf:rfc:3986", "urn:p"),
        ("instantiates-uri", "urn:ietf:rfc:3986", "urn:one"),
        ("instantiates-uri", "urn:ietf:rfc:3986", "urn:two"),
    ]


def test_a_canonical_is_found_with_its_version_and_without():
    assert rows("QuestionnaireResponse", questionnaire="http://q.example/form|2").references == [
        ("questionnaire", "", "http://q.example/form|2"),
        ("questionnaire", "", "http://q.example/form"),
    ]
    assert rows("QuestionnaireResponse", questionnaire="#own").references == [("questionnaire", "", "")]


def test_a_pair_is_a_reference_under_its_code():
    related = [
        {"code": "replaces", "target": {"reference": "DocumentReference/old"}},
        {"code": "signs", "target": {"identifier": {"system": "urn:d", "value": "7"}}},
        {"target": {"reference": "DocumentReference/other"}},
        {"code": "appends"},
    ]
    found = rows("DocumentReference", {("urn:d", "7"): ("DocumentReference", "seven")}, relatesTo=related)
    assert {row for row in found.references if row[0] != "relatesto"} == {
        ("relationship:replaces", "DocumentReference", "old"),
        ("relationship:signs", "DocumentReference", "seven"),
    }


def test_of_a_choice_the_forms_that_are_meant():
    assert rows("Observation", valueString="Tốt").strings == [("value-string", string_key("Tốt"))]
    assert rows("Observation", valueCodeableConcept={"text": "Tốt"}).strings == [
        ("value-string", string_key("Tốt"))
    ]
    assert rows("Observation", valueDateTime="2026-02").dates[0][0] == "value-date"
    assert rows("MedicationRequest", medicationReference={"reference": "#m"}).references == [
        ("medication", "", "")
    ]


def test_quantities_and_positions():
    found = rows("Observation", valueQuantity={"value": 7, "unit": "mmol/L"})
    assert found.quantities == [("value-quantity", "", "mmol/L", 7.0, 7.0)]
    assert rows("Location", position={"latitude": 20.8, "longitude": 106}).positions == []
    place = read_content(b'{"latitude": 20.80, "longitude": 106}')
    assert rows("Location", position=place).positions == [("near", 20.8, 106.0)]


@pytest.mark.parametrize("resource_type", PARAMETERS)
def test_rare_rows_are_of_types_that_may_have_some(resource_type):
    kinds = {parameter.kind for parameter in PARAMETERS[resource_type]}
    assert ("quantities" in rare_rows(resource_type)) is (Kind.QUANTITY in kinds)
    assert ("positions" in rare_rows(resource_type)) is (resource_type == "Location")
