from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.errors import InvalidElement, NotSupported
from referral.domain.search import (
    ChainCriterion,
    Cursor,
    DateCriterion,
    HasCriterion,
    IdCriterion,
    Include,
    Kind,
    LastUpdatedCriterion,
    MissingCriterion,
    Prefix,
    QuantityValue,
    ReferenceCriterion,
    SearchQuery,
    SortKey,
    StringCriterion,
    StringMode,
    Summary,
    TokenCriterion,
    Total,
)
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.parameters import PARAMETERS
from referral.fhir.search_cursor import encode_cursor
from referral.fhir.search_index import string_key
from referral.fhir.search_query import parse_search

BASE = "https://hub.example/fhir"
MAY = datetime(2024, 5, 1, tzinfo=UTC)
JUNE = datetime(2024, 6, 1, tzinfo=UTC)


def search(resource_type: str, *pairs: tuple[str, str], lenient: bool = False) -> SearchQuery:
    return parse_search(resource_type, pairs, lenient=lenient, base=BASE)


def criterion(resource_type: str, key: str, value: str):
    (found,) = search(resource_type, (key, value)).criteria
    return found


def refusal(resource_type: str, *pairs: tuple[str, str], lenient: bool = False) -> str:
    with pytest.raises(InvalidElement) as caught:
        search(resource_type, *pairs, lenient=lenient)
    return str(caught.value)


def test_a_search_for_nothing_in_particular():
    assert search("Task") == SearchQuery("Task", (), SortKey("_id"), 50, None, (), (), None, ())


def test_a_type_that_is_not_stored():
    with pytest.raises(NotSupported):
        search("Basic")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("A00", [(None, "A00")]),
        ("urn:c|A00", [("urn:c", "A00")]),
        ("|A00", [("", "A00")]),
        ("urn:c|", [("urn:c", None)]),
        ("A00,urn:c|B", [(None, "A00"), ("urn:c", "B")]),
        (r"a\,b\|c\$d\\e", [(None, r"a,b|c$d\e")]),
        ("\\\\,b", [(None, "\\"), (None, "b")]),
    ],
)
def test_token_forms(value, expected):
    assert criterion("Condition", "code", value) == TokenCriterion("code", tuple(expected))


def test_not_negates_a_token():
    assert criterion("Condition", "code:not", "A,B") == TokenCriterion(
        "code", ((None, "A"), (None, "B")), True
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("requested", [(None, "requested")]),
        ("http://hl7.org/fhir/task-status|requested", [(None, "requested")]),
        ("|requested", [(None, "requested")]),
        ("http://hl7.org/fhir/task-status|", [(None, None)]),
        ("urn:another|requested", []),
    ],
)
def test_plain_codes_imply_their_system(value, expected):
    assert criterion("Task", "status", value) == TokenCriterion("status", tuple(expected))


def test_booleans_are_true_or_false():
    assert criterion("Organization", "active", "true") == TokenCriterion("active", ((None, "true"),))
    assert "Parameter active: it takes true or false." in refusal("Organization", ("active", "yes"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("subject", "p", ReferenceCriterion("subject", ((None, "p"),))),
        ("subject", "Patient/p", ReferenceCriterion("subject", (("Patient", "p"),))),
        ("subject", f"{BASE}/Patient/p", ReferenceCriterion("subject", (("Patient", "p"),))),
        ("subject:Patient", "p", ReferenceCriterion("subject", (("Patient", "p"),))),
        (
            "subject:Patient",
            "Patient/p,q",
            ReferenceCriterion("subject", (("Patient", "p"), ("Patient", "q"))),
        ),
        ("subject", "urn:uuid:1", ReferenceCriterion("subject", (("", "urn:uuid:1"),))),
        ("patient", "p", ReferenceCriterion("subject", (("Patient", "p"),))),
        ("patient", "Patient/p", ReferenceCriterion("subject", (("Patient", "p"),))),
        ("part-of", "t", ReferenceCriterion("part-of", (("Task", "t"),))),
        ("owner:identifier", "urn:f|31", TokenCriterion("owner:identifier", (("urn:f", "31"),))),
        ("patient:identifier", "7", TokenCriterion("subject:identifier", ((None, "7"),))),
    ],
)
def test_reference_forms(key, value, expected):
    assert criterion("Task", key, value) == expected


def test_strings_match_by_prefix_whole_or_part():
    folded = ("nguyen van", "dang")
    assert criterion("Patient", "name", "Nguyễn  Văn,Đặng") == StringCriterion(
        "name", folded, StringMode.PREFIX
    )
    assert criterion("Patient", "name:contains", "Đặng") == StringCriterion(
        "name", ("dang",), StringMode.CONTAINS
    )
    exact = StringCriterion("name", (string_key("Đặng"),), StringMode.EXACT)
    assert criterion("Patient", "name:exact", "Đặng") == exact


@pytest.mark.parametrize("prefix", list(Prefix))
def test_date_prefixes(prefix):
    found = criterion("Task", "authored-on", f"{prefix}2024-05")
    assert isinstance(found, DateCriterion)
    (comparison,) = found.comparisons
    if prefix is Prefix.AP:
        assert comparison == (prefix, MAY - timedelta(days=31), JUNE + timedelta(days=31))
    else:
        assert comparison == (prefix, MAY, JUNE)


def test_a_date_without_prefix_means_equal_and_alternatives_are_kept():
    found = criterion("Task", "authored-on", "2024-05,gt9999")
    assert found == DateCriterion(
        "authored-on",
        ((Prefix.EQ, MAY, JUNE), (Prefix.GT, datetime(9999, 1, 1, tzinfo=UTC), END)),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05", [(MAY, JUNE)]),
        ("ne2024-05", [(BEGINNING, MAY), (JUNE, END)]),
        ("gt2024-05", [(JUNE, END)]),
        ("sa2024-05", [(JUNE, END)]),
        ("ge2024-05", [(MAY, END)]),
        ("lt2024-05", [(BEGINNING, MAY)]),
        ("eb2024-05", [(BEGINNING, MAY)]),
        ("le2024-05", [(BEGINNING, JUNE)]),
        ("ap2024-05", [(MAY - timedelta(days=31), JUNE + timedelta(days=31))]),
    ],
)
def test_last_updated_becomes_ranges(value, expected):
    assert criterion("Task", "_lastUpdated", value) == LastUpdatedCriterion(tuple(expected))


def test_ids():
    assert criterion("Task", "_id", "a,b-1.2") == IdCriterion(("a", "b-1.2"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("status", MissingCriterion("status", Kind.TOKEN, True)),
        ("owner", MissingCriterion("owner", Kind.REFERENCE, True)),
        ("patient", MissingCriterion("subject", Kind.REFERENCE, True, "Patient")),
        ("period", MissingCriterion("period", Kind.DATE, True)),
    ],
)
def test_missing(key, expected):
    assert criterion("Task", f"{key}:missing", "true") == expected


def test_present():
    assert criterion("Patient", "name:missing", "false") == MissingCriterion("name", Kind.STRING, False)


def test_repeated_parameters_are_all_required():
    pairs = [("authored-on", "ge2024-05"), ("authored-on", "lt2024-06")]
    assert len(search("Task", *pairs).criteria) == 2


def test_empty_values_are_passed_over_as_r4_says():
    query = search("Task", ("status", ""), ("owner", "o"))
    assert query.criteria == (ReferenceCriterion("owner", ((None, "o"),)),)
    assert query.self_pairs == (("owner", "o"),)


@pytest.mark.parametrize(
    ("value", "count"), [("0", 0), ("1", 1), ("200", 200), ("201", 200), ("9" * 18, 200)]
)
def test_count(value, count):
    assert search("Task", ("_count", value)).count == count


def test_summary_count_asks_for_the_number_only():
    assert search("Task", ("_count", "10"), ("_summary", "count")).count == 0
    assert search("Task", ("_count", "10"), ("_summary", "false")).count == 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("_id", SortKey("_id")),
        ("-_lastUpdated", SortKey("_lastUpdated", descending=True)),
        ("authored-on", SortKey("authored-on")),
        ("-status", SortKey("status", descending=True, kind=Kind.TOKEN)),
        ("owner", SortKey("owner", kind=Kind.REFERENCE)),
        ("patient", SortKey("patient", kind=Kind.REFERENCE, rows="subject")),
    ],
)
def test_sort(value, expected):
    query = search("Task", ("_sort", value))
    assert query.sort == expected
    assert str(query.sort) == value


def test_total_format_and_pretty():
    pairs = [("_total", "accurate"), ("_format", "application/fhir+json"), ("_pretty", "true")]
    query = search("Task", *pairs)
    assert query.total is Total.ACCURATE
    assert query.self_pairs == tuple(pairs)


def test_includes():
    query = search(
        "Task",
        ("_include", "Task:focus"),
        ("_include", "Task:focus"),
        ("_include", "Task:owner:Organization"),
        ("_include", "Task:patient"),
        ("_revinclude", "Communication:part-of"),
        ("_revinclude", "Task:part-of:Task"),
    )
    assert query.includes == (
        Include("Task", "focus"),
        Include("Task", "owner", "Organization"),
        Include("Task", "subject", "Patient"),
    )
    assert query.revincludes == (
        Include("Communication", "part-of", "Task"),
        Include("Task", "part-of", "Task"),
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "red"),
        ("Status", "requested"),
        ("status:text", "requested"),
        ("status:", "a|b|c"),
        ("status", "|"),
        ("status", "a,,b"),
        ("status", ","),
        ("status", "a\\"),
        ("status", "a\\b"),
        ("status", "a\x00"),
        ("status", "\ud800"),
        ("status", "a" * 1001),
        ("status", ",".join("a" * 501)),
        ("status", "a" * 40_001),
        ("status:missing", "maybe"),
        ("owner", "Organization/"),
        ("owner", "a b"),
        ("owner:Location", "x"),
        ("owner:Organization", "Practitioner/x"),
        ("owner:type", "x"),
        ("owner.banana", "x"),
        ("owner:Organization.birthdate", "x"),
        ("owner:Location.name", "x"),
        ("owner:Organization.partof.name", "x"),
        ("owner:Organization._has:Task:owner:status", "x"),
        ("owner:Organization.name:below", "x"),
        ("owner:Organization.active", "perhaps"),
        ("status.name", "x"),
        ("banana.name", "x"),
        ("owner.", "x"),
        (".name", "x"),
        ("_has", "x"),
        ("_has:Task:banana:status", "x"),
        ("_has:Banana:part-of:status", "x"),
        ("_has:Task:part-of", "x"),
        ("_has:Task:part-of:banana", "x"),
        ("_has:Task:part-of:owner.name", "x"),
        ("_has:Task:part-of:_has:Task:part-of:status", "x"),
        ("_has:Task:part-of:status:exact", "x"),
        ("authored-on", "yesterday"),
        ("authored-on", "zz2024"),
        ("authored-on", "GE2024"),
        ("authored-on", "ge"),
        ("authored-on", "2024-02-30"),
        ("authored-on:exact", "2024"),
        ("_id", "a_b"),
        ("_id:not", "a"),
        ("_lastUpdated", "x"),
        ("_count", "-1"),
        ("_count", "many"),
        ("_count", "٣"),
        ("_sort", "banana"),
        ("_sort", "_id,status"),
        ("_sort", "authored-on,-_id"),
        ("_sort", "--authored-on"),
        ("_summary", "some"),
        ("_total", "roughly"),
        ("_format", "xml"),
        ("_pretty", "very"),
        ("_include", "*"),
        ("_include", "Task"),
        ("_include", "Task:status"),
        ("_include", "Task:focus:banana"),
        ("_include", "Task:owner:Location"),
        ("_include", "ServiceRequest:requester"),
        ("_include:iterate", "Task:status"),
        ("_include:recurse", "Task:focus"),
        ("_revinclude", "ServiceRequest:requester"),
        ("_revinclude", "Communication:part-of:Patient"),
        ("_elements", "status,,for"),
        ("_elements", "name[0]"),
        ("_cursor", "abc"),
    ],
)
def test_what_is_not_understood_is_refused_naming_the_parameter(key, value):
    assert f"Parameter {key.rstrip(':')}" in refusal("Task", (key, value))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "subject:Patient.name",
            "an",
            ChainCriterion("subject", (("Patient", StringCriterion("name", ("an",), StringMode.PREFIX)),)),
        ),
        (
            "patient.identifier",
            "urn:card|1",
            ChainCriterion("subject", (("Patient", TokenCriterion("identifier", (("urn:card", "1"),))),)),
        ),
        (
            "owner:Organization.name:exact",
            "An",
            ChainCriterion(
                "owner",
                (("Organization", StringCriterion("name", (string_key("An"),), StringMode.EXACT)),),
            ),
        ),
        (
            "focus:ServiceRequest._id",
            "r1",
            ChainCriterion("focus", (("ServiceRequest", IdCriterion(("r1",))),)),
        ),
        (
            "_has:Task:part-of:status:not",
            "accepted",
            HasCriterion("Task", "part-of", TokenCriterion("status", ((None, "accepted"),), negated=True)),
        ),
        (
            "_has:Communication:part-of:_id",
            "c",
            HasCriterion("Communication", "part-of", IdCriterion(("c",))),
        ),
    ],
)
def test_what_another_resource_must_meet(key, value, expected):
    assert criterion("Task", key, value) == expected


def test_a_chain_without_a_type_goes_to_all_that_may_stand_there_and_have_the_parameter():
    (found,) = search("Task", ("requester.name", "an")).criteria
    assert isinstance(found, ChainCriterion)
    kinds = {kind for kind, _ in found.ways}
    assert {"Organization", "Patient", "Practitioner"} <= kinds
    assert "PractitionerRole" not in kinds


@pytest.mark.parametrize("summary", Summary)
def test_how_much_is_shown(summary):
    query = search("Task", ("_summary", summary))
    assert query.summary is summary
    assert (query.count == 0) is (summary is Summary.COUNT)


@pytest.mark.parametrize(
    ("resource_type", "key", "value"),
    [
        *(
            ("Observation", "value-quantity", value)
            for value in ("", "x", "5,", "5|kg", "5||", "5|a|b|c", "1e999")
        ),
        *(
            ("Observation", "value-quantity", value)
            for value in ("zz5", "NaN", "Infinity", "5." + "0" * 31, "--5")
        ),
        ("Observation", "value-quantity:exact", "5"),
        *(
            ("Location", "near", value)
            for value in ("x", "1", "91|0", "0|181", "1|2|3|parsec", "1|2|-3", "1|2|3|km|4")
        ),
        ("Location", "near:exact", "1|2"),
        ("Observation", "_profile:above", "http://a.example"),
        ("DocumentReference", "relationship", "replaces"),
        ("DocumentReference", "relationship", "$DocumentReference/a"),
        ("DocumentReference", "relationship", "replaces$a_b"),
        ("DocumentReference", "relationship:missing", "true"),
        ("DocumentReference", "_sort", "relationship"),
        ("Location", "_sort", "near"),
    ],
)
def test_values_of_another_form_are_refused(resource_type, key, value):
    if value:
        assert f"Parameter {key}" in refusal(resource_type, (key, value))
    else:
        assert search(resource_type, (key, value)).criteria == ()


def test_a_number_means_what_its_digits_can_mean():
    (found,) = criterion("Observation", "value-quantity", "gt5.40|urn:u|kg").values
    assert found == QuantityValue(
        Prefix.GT, Decimal("5.395"), Decimal("5.405"), Decimal("5.40"), "urn:u", "kg"
    )
    (found,) = criterion("Observation", "value-quantity", "1e2").values
    assert (found.low, found.high) == (50, 150)
    (found,) = criterion("Observation", "value-quantity", "ap-200").values
    assert (found.low, found.high) == (-220, -180)


def test_a_summary_of_the_text_brings_nothing_along():
    assert "_summary" in refusal("Task", ("_summary", "text"), ("_include", "Task:focus"))


def test_elements_by_name_and_with_their_type():
    assert search("Task", ("_elements", "status, Task.for,status")).elements == ("status", "for")


def test_inclusions_that_iterate():
    query = search(
        "Task", ("_include:iterate", "ServiceRequest:patient"), ("_revinclude:iterate", "Observation:subject")
    )
    assert query.includes == (Include("ServiceRequest", "subject", "Patient", iterate=True),)
    assert query.revincludes == (Include("Observation", "subject", None, iterate=True),)


def test_an_empty_string_is_refused_after_folding():
    assert "Parameter name:" in refusal("Patient", ("name", "\u0301"))


def test_a_result_parameter_may_be_given_once():
    assert "Parameter _count: it may be given once only." in refusal("Task", ("_count", "1"), ("_count", "2"))


def test_everything_wrong_is_told_at_once_and_no_value_repeated():
    text = refusal("Patient", ("birthdate", "secret-1"), ("colour", "secret-2"), ("_id", "secret_3"))
    assert [name in text for name in ("birthdate", "colour", "_id")] == [True] * 3
    assert "secret" not in text


def test_a_name_is_shown_without_control_characters_and_cut():
    text = refusal("Task", ("a\x00" + "b" * 1000, "1"))
    assert "a?bbb" in text
    assert "b" * 60 not in text


def test_too_many_parameters():
    assert "at most 100" in refusal("Task", *[("status", "a")] * 101)


def test_lenient_passes_over_unknown_parameters_only():
    query = search("Task", ("colour", "red"), ("status", "requested"), lenient=True)
    assert query.self_pairs == (("status", "requested"),)
    refusal("Task", ("status:text", "requested"), lenient=True)
    refusal("Task", ("authored-on", "soon"), lenient=True)


def test_the_cursor_belongs_to_the_order_and_not_to_the_self_link():
    cursor = encode_cursor(SortKey("authored-on"), MAY, "a")
    query = search("Task", ("_cursor", cursor), ("_sort", "authored-on"))
    assert query.cursor == Cursor(MAY, "a")
    assert query.self_pairs == (("_sort", "authored-on"),)
    assert "Parameter _cursor" in refusal("Task", ("_cursor", cursor))


RESULT = [
    "_count",
    "_sort",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_cursor",
    "_format",
    "_id",
    "_lastUpdated",
]
NAMES = st.sampled_from(sorted({each.name for all_ in PARAMETERS.values() for each in all_} | set(RESULT)))
MODIFIERS = (
    st.sampled_from(["", ":not", ":missing", ":exact", ":contains", ":identifier", ":Patient"]) | st.text()
)
PIECES = st.sampled_from(
    ["ge", "2024-05-31", "T08:00:00", "+14:00", "|", ",", "\\", "Patient/", "true", "0001", BASE, ":"]
)
VALUES = st.lists(PIECES | st.text(max_size=4), max_size=5).map("".join)


@given(
    st.sampled_from(sorted(PARAMETERS)),
    st.lists(st.tuples(st.builds(str.__add__, NAMES, MODIFIERS) | st.text(), VALUES), max_size=3),
    st.booleans(),
)
def test_any_pairs_give_a_query_or_a_refusal_that_names_a_parameter(resource_type, pairs, lenient):
    query, refusals = None, []
    try:
        query = search(resource_type, *pairs, lenient=lenient)
    except InvalidElement as refused:
        refusals = [problem.text for problem in refused.problems]
    assert (query is None) == bool(refusals)
    assert all(text.startswith("Parameter ") for text in refusals)
    if query is None:
        return
    assert search(resource_type, *query.self_pairs).criteria == query.criteria
    for found in query.criteria:
        if isinstance(found, DateCriterion):
            assert all(BEGINNING <= low <= high <= END for _, low, high in found.comparisons)


@pytest.mark.parametrize(
    ("resource_type", "pairs"),
    [
        ("Patient", [("name", ",".join(["a"] * 500))] * 3),
        ("Patient", [("birthdate", ",".join(["ne2000"] * 360))] * 3),
        ("Location", [("near", ",".join(["20|106|1|km"] * 360))] * 3),
        ("Task", [("focus.identifier", "a")] * 2),
        ("Patient", [("_has:Observation:patient:date", "ne2000")] * 50),
    ],
)
def test_too_much_at_once_is_refused_and_said_how_to_ask_for_less(
    resource_type: str, pairs: list[tuple[str, str]]
):
    text = refusal(resource_type, *pairs)
    assert "too much at once" in text
    assert "name the type" in text
    # One of them alone is taken.
    assert search(resource_type, pairs[0]).criteria


def test_a_sort_goes_by_one_parameter_and_says_so():
    assert "one parameter" in refusal("Task", ("_sort", "status,-modified"))
    assert search("Task", ("_sort", "-modified,_id")).sort == SortKey("modified", descending=True)


def test_the_self_link_has_the_count_that_is_given():
    assert search("Task", ("_count", "1000000000")).self_pairs == (("_count", "200"),)
    assert search("Task", ("_count", "020")).self_pairs == (("_count", "20"),)
