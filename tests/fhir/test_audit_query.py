"""A search of AuditEvents as a question about rows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.audit import AuditAction, AuditQuestion, AuditRecord, AuditRow
from referral.domain.errors import InvalidElement
from referral.domain.search import Prefix
from referral.fhir.audit_event import audit_event
from referral.fhir.audit_query import audit_question
from referral.fhir.opaque_id import AUDIT_ROW, opaque_id
from referral.fhir.search_index import index_rows
from referral.fhir.search_match import meets
from referral.fhir.search_query import parse_search

BASE = "https://hub.example/fhir"
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)

days = st.integers(1, 9).map(lambda day: f"2026-03-0{day}")
moments = st.integers(0, 8 * 48).map(lambda halves: AT + timedelta(minutes=30 * halves - 480))
dates = st.lists(
    st.lists(
        st.builds(str.__add__, st.sampled_from([each.value for each in Prefix] + [""]), days), min_size=1
    )
    .map(lambda values: values[:3])
    .map(",".join),
    min_size=1,
    max_size=3,
)


KEY = bytes(32)
ROWS = [opaque_id(KEY, AUDIT_ROW, number) for number in (1, 7)]


def question(**params: str | list[str]) -> AuditQuestion:
    pairs = [
        (name.replace("__", ":"), value)
        for name, values in params.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return audit_question(parse_search("AuditEvent", pairs, lenient=False, base=BASE), KEY)


def event(at: datetime = AT, action: str = "read", outcome: int = 200, **more: Any) -> dict[str, Any]:
    record = AuditRecord(at, "station", "ehr", action, outcome=outcome, **more)
    return audit_event(AuditRow(7, record, None), "https://hub.example", KEY)


@given(dates, moments)
def test_the_spans_are_the_moments_that_meet_every_date(texts: list[str], at: datetime) -> None:
    """As the index rows of the event itself would meet them, when nothing is approximate."""
    texts = [text.replace("ap", "eq") for text in texts]
    spans = question(date=texts).spans
    assert all(low < high for low, high in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    query = parse_search("AuditEvent", [("date", text) for text in texts], lenient=False, base=BASE)
    rows = index_rows("AuditEvent", event(at), base=BASE)
    met = all(meets(criterion, rows, "7", at) for criterion in query.criteria)
    assert any(low <= at < high for low, high in spans) == met


@pytest.mark.parametrize("action", AuditAction)
@pytest.mark.parametrize("outcome", [200, 404])
def test_a_row_is_found_by_the_codes_that_its_event_shows(action: AuditAction, outcome: int) -> None:
    shown = event(action=action, outcome=outcome)
    found = question(type=shown["type"]["code"], action=shown["action"], outcome=shown["outcome"])
    assert found.actions is not None
    assert action in found.actions
    assert found.refused is (outcome >= 400)
    if "subtype" in shown:
        assert action in (question(subtype=shown["subtype"][0]["code"]).actions or ())
    assert (action in (question(subtype__missing="true").actions or ())) is ("subtype" not in shown)
    others = question(action__not=shown["action"]).actions
    assert others is not None
    assert action not in others


def test_what_is_asked_twice_must_hold_twice() -> None:
    asked = question(
        patient=["Patient/a,Patient/b", "Patient/b,c"],
        agent=["x,y", "Organization/y"],
        _id=f"{ROWS[0]},{ROWS[1]}",
    )
    assert (asked.patients, asked.actors, asked.rows) == ({"b"}, {"y"}, {1, 7})
    assert question(entity=["Task/a,b", "Patient/c"]).entities == ({"Task/a", "b"}, {"Patient/c"})
    assert not asked.is_vain
    for vain in (
        question(patient=["a", "b"]),
        question(outcome=["0", "4"]),
        question(outcome="8"),
        question(patient__missing=["true", "false"]),
        question(entity__missing=["true", "false"]),
        question(date__missing="true"),
        question(_id="none,0,07"),
        question(agent="Practitioner/x"),
        question(agent__identifier="urn:other|x"),
    ):
        assert vain.is_vain
    assert question(outcome="0,4", outcome__missing="false").refused is None
    assert question(patient__missing="true", entity__missing="false").about is False


def test_an_identifier_is_asked_for_by_its_value() -> None:
    assert question(agent__identifier="ehr").clients == {"ehr"}
    assert question(entity__identifier="|r-1").requests == {"r-1"}
    with pytest.raises(InvalidElement):
        question(agent__identifier="http://referral.example/fhir/sid/client|")


def test_rows_are_asked_for_by_ids_that_they_have() -> None:
    assert question(_id=",".join([*ROWS, "7", "move-7"])).rows == {1, 7}
