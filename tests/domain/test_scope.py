"""SMART v2 scopes: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.errors import BrokenRule, Forbidden
from referral.domain.scope import Interaction, Scopes, check_scope, read_scopes, understood_scopes

TYPES = ("*", "ServiceRequest", "Task")
scopes = st.frozensets(st.tuples(st.sampled_from(TYPES), st.sampled_from(Interaction))).map(Scopes)


@pytest.mark.parametrize(
    ("scope", "resource_type", "allowed"),
    [
        ("system/ServiceRequest.rs", "ServiceRequest", {"read", "search"}),
        ("system/ServiceRequest.rs", "Task", set()),
        ("system/ServiceRequest.c", "ServiceRequest", {"create"}),
        ("system/*.cruds", "Task", {"create", "read", "update", "delete", "search"}),
        ("system/*.rs system/Task.u", "Task", {"read", "search", "update"}),
        ("system/*.rs system/Task.u", "Patient", {"read", "search"}),
        ("system/Task.read", "Task", {"read", "search"}),
        ("system/Task.write", "Task", {"create", "update", "delete"}),
        ("system/Task.*", "Task", {"create", "read", "update", "delete", "search"}),
    ],
)
def test_a_scope_allows_exactly_its_interactions(scope: str, resource_type: str, allowed: set[str]) -> None:
    read = read_scopes(scope)
    assert {found.value for found in Interaction if read.allows(resource_type, found)} == allowed


@pytest.mark.parametrize(
    "word",
    [
        "system/ServiceRequest.sr",  # the order is cruds
        "system/ServiceRequest.rr",
        "system/ServiceRequest.",
        "system/ServiceRequest",
        "system/ServiceRequest.reads",
        "system/serviceRequest.rs",
        "system/Service-Request.rs",
        "system/Observation.rs?category=laboratory",  # narrowing by a query would be granted too widely
        "user/ServiceRequest.rs",
        "patient/*.rs",
        "system/**.rs",
        "SYSTEM/Task.rs",
        "openid",
        "system/Task.rs,system/Patient.rs",
    ],
)
def test_another_word_is_refused_by_name_and_otherwise_passed_over(word: str) -> None:
    with pytest.raises(BrokenRule) as refusal:
        read_scopes(f"system/Task.rs {word}")
    assert word in str(refusal.value)
    assert understood_scopes(f"system/Task.rs {word}") == read_scopes("system/Task.rs")


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_scope_at_all_is_refused(text: str) -> None:
    with pytest.raises(BrokenRule):
        read_scopes(text)
    assert not understood_scopes(text)


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        ("system/ServiceRequest.rs", "system/*.cruds", "system/ServiceRequest.rs"),
        ("system/*.cruds", "system/Task.rs system/Patient.cud", "system/Patient.cud system/Task.rs"),
        ("system/*.rs", "system/*.cruds", "system/*.rs"),
        ("system/*.rs system/Task.ru", "system/*.cruds", "system/*.rs system/Task.u"),
        ("system/Task.read", "system/Task.r", "system/Task.r"),
        ("system/Task.cud", "system/Task.rs", ""),
        ("system/Task.rs", "system/Patient.rs", ""),
    ],
)
def test_granted_is_what_is_both_asked_and_registered(asked: str, registered: str, granted: str) -> None:
    assert str(read_scopes(asked).within(read_scopes(registered))) == granted


@given(scopes, scopes, st.sampled_from(("ServiceRequest", "Task", "Patient")), st.sampled_from(Interaction))
def test_within_allows_what_both_allow(
    one: Scopes, other: Scopes, resource_type: str, interaction: Interaction
) -> None:
    both = one.allows(resource_type, interaction) and other.allows(resource_type, interaction)
    assert one.within(other).allows(resource_type, interaction) == both


@given(
    scopes.filter(bool), st.sampled_from(("ServiceRequest", "Task", "Patient")), st.sampled_from(Interaction)
)
def test_written_and_read_again_it_allows_the_same(
    one: Scopes, resource_type: str, interaction: Interaction
) -> None:
    assert read_scopes(str(one)).allows(resource_type, interaction) == one.allows(resource_type, interaction)


def test_check_scope_raises_exactly_where_allows_says_no() -> None:
    granted = read_scopes("system/Task.r")
    check_scope(granted, "Task", Interaction.READ)
    with pytest.raises(Forbidden, match="update of Task"):
        check_scope(granted, "Task", Interaction.UPDATE)
