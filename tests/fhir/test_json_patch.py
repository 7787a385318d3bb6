"""JSON Patch on content: RFC 6902 and 6901, by their own examples and at their edges."""

import base64
import json
from typing import Any

import pytest

from referral.domain.errors import BrokenRule, InvalidElement, MalformedContent
from referral.fhir.content import read_array, read_content, write_content
from referral.fhir.json_patch import MOST_OPERATIONS, apply_patch, patch_of_binary, read_patch


def patched(content: Any, *operations: Any) -> Any:
    """What becomes of content, both as JSON text or as values."""
    before = content if isinstance(content, str) else json.dumps(content)
    found = apply_patch(
        read_content(before.encode()), read_patch(read_array(json.dumps(operations).encode()))
    )
    return json.loads(write_content(found))


def op(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": name, "path": path} | {key.rstrip("_"): value for key, value in more.items()}


# https://www.rfc-editor.org/rfc/rfc6902#appendix-A
@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        ({"foo": "bar"}, op("add", "/baz", value="qux"), {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, op("add", "/foo/1", value="qux"), {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, op("remove", "/baz"), {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, op("remove", "/foo/1"), {"foo": ["bar", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, op("replace", "/baz", value="boo"), {"baz": "boo", "foo": "bar"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            op("move", "/qux/thud", from_="/foo/waldo"),
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            op("move", "/foo/3", from_="/foo/1"),
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"baz": "qux", "foo": ["a", 2, "c"]}, op("test", "/foo/1", value=2), None),
        ({"foo": "bar"}, op("add", "/child", value={"baby": {}}), {"foo": "bar", "child": {"baby": {}}}),
        ({"foo": "bar"}, op("add", "/baz", value="qux", xyz=123), {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, op("test", "/~01", value=10), None),
        ({"foo": ["bar"]}, op("add", "/foo/-", value=["abc", "def"]), {"foo": ["bar", ["abc", "def"]]}),
        ({"a": [1]}, op("copy", "/b", from_="/a"), {"a": [1], "b": [1]}),
        ({"a": 1}, op("add", "", value={"b": 2}), {"b": 2}),
        ({"a": 1}, op("replace", "", value={"b": 2}), {"b": 2}),
        ({"": 1}, op("replace", "/", value=2), {"": 2}),
        ({"a": None}, op("replace", "/a", value=1), {"a": 1}),
        ({"a": {"b": 1}}, op("move", "/a", from_="/a/b"), {"a": 1}),
        ({"a": 1}, op("move", "/a", from_="/a"), None),
    ],
)  # fmt: skip
def test_an_operation_does_what_the_rfc_says(before: Any, operation: Any, after: Any):
    assert patched(before, operation) == (before if after is None else after)


@pytest.mark.parametrize(
    ("operation", "expression"),
    [
        (op("remove", "/photo"), "Patient.photo"),
        (op("replace", "/photo", value=1), "Patient.photo"),
        (op("add", "/name/0/given/7", value="x"), "Patient.name[0].given[7]"),
        (op("add", "/contact/0/name", value="x"), "Patient.contact[0].name"),
        (op("replace", "/name/1", value={}), "Patient.name[1]"),
        (op("replace", "/name/-", value={}), "Patient.name"),
        (op("replace", "/name/00", value={}), "Patient.name[00]"),
        (op("remove", "/name/-1"), "Patient.name"),
        (op("remove", "/name/٠"), "Patient.name"),
        (op("remove", "/name/99999999999999999999"), "Patient.name[99999999999999999999]"),
        (op("remove", "/gender/x"), "Patient.gender.x"),
        (op("add", "/gender/x", value=1), "Patient.gender.x"),
        (op("move", "/x", from_="/photo"), "Patient.x"),
        (op("copy", "/x", from_="/name/1"), "Patient.x"),
        (op("test", "/gender", value="male"), "Patient.gender"),
        (op("test", "/gender", value=1), "Patient.gender"),
        (op("test", "/name/0", value={"family": "A"}), "Patient.name[0]"),
        (op("test", "/name/0/given", value=["B"]), "Patient.name[0].given"),
        (op("test", "/active", value=1), "Patient.active"),
        (op("test", "/photo", value=None), "Patient.photo"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_place(operation: Any, expression: str):
    content = {
        "resourceType": "Patient",
        "active": True,
        "gender": "female",
        "name": [{"family": "A", "given": ["B", "C"]}],
    }
    with pytest.raises(BrokenRule, match="Operation 0") as failure:
        patched(content, operation)
    assert failure.value.problems[0].expression == expression


@pytest.mark.parametrize("text", ["38.5", "38.50", "0.010", "1e2", "123456789012345678901234567890.10"])
def test_numbers_keep_their_digits(text: str):
    content = f'{{"a": {text}}}'.encode()
    move = [op("move", "/b", from_="/a"), op("copy", "/c", from_="/b")]
    found = apply_patch(read_content(content), read_patch(move))
    assert write_content(found) == f'{{"b":{text},"c":{text}}}'.encode()
    added = read_patch(read_array(f'[{{"op": "add", "path": "/d", "value": {text}}}]'.encode()))
    assert write_content(apply_patch({}, added)) == f'{{"d":{text}}}'.encode()


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1.0", "1.00"), ("100", "1e2"), ("0.5", "5E-1")])
def test_numbers_are_equal_by_their_value(one: str, other: str):
    test = read_patch(read_array(f'[{{"op": "test", "path": "/a", "value": {other}}}]'.encode()))
    assert apply_patch(read_content(f'{{"a": {one}}}'.encode()), test)


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        (["x"], "not an object"),
        ([{}], "op is one of"),
        ([{"op": "delete", "path": "/a"}], "op is one of"),
        ([{"op": ["add"], "path": "/a"}], "op is one of"),
        ([{"op": "add", "path": "/a"}], "needs value"),
        ([{"op": "remove"}], "needs path"),
        ([{"op": "move", "path": "/a"}], "needs from"),
        ([op("remove", "a")], "begins with /"),
        ([{"op": "remove", "path": 1}], "begins with /"),
        ([op("remove", "/a~2")], "~ stands before"),
        ([op("remove", "/~")], "~ stands before"),
        ([op("move", "/a/b", from_="/a")], "into itself"),
        ([op("remove", "/a")] * (MOST_OPERATIONS + 1), "at most"),
    ],
)
def test_what_is_no_patch_is_refused(patch: Any, told: str):
    with pytest.raises(InvalidElement, match=told):
        read_patch(patch)


def test_every_operation_that_is_none_is_told():
    with pytest.raises(InvalidElement) as failure:
        read_patch([op("remove", "a"), op("remove", "/a"), {}])
    assert [problem.text[:12] for problem in failure.value.problems] == ["Operation 0:", "Operation 2:"]


def test_a_patch_that_leaves_no_resource_is_refused():
    for value in ([], 1, None, "x"):
        with pytest.raises(BrokenRule, match="no resource left"):
            patched({"a": 1}, op("replace", "", value=value))
    with pytest.raises(BrokenRule, match="no resource left"):
        patched({"a": 1}, op("remove", ""))
    with pytest.raises(BrokenRule, match="nothing at this path"):
        patched({"a": 1}, op("remove", ""), op("remove", "/a"))


def test_copies_that_double_each_time_end_before_memory_does():
    with pytest.raises(BrokenRule, match="too large"):
        patched({"a": [1]}, *[op("copy", "/a/-", from_="/a")] * 100)


def test_a_value_that_is_used_twice_is_two():
    found = patched({"a": {"b": [1]}}, op("copy", "/c", from_="/a"), op("add", "/a/b/-", value=2))
    assert found == {"a": {"b": [1, 2]}, "c": {"b": [1]}}


def test_a_binary_is_read_as_a_body_is():
    def binary(data: str) -> dict[str, str]:
        return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}

    for body, fault in {
        b"{}": "array, as a JSON Patch",
        b'[{"op": "add", "op": "add"}]': "repeats",
        b"[": "not JSON",
    }.items():
        with pytest.raises(MalformedContent, match=fault) as failure:
            patch_of_binary(binary(base64.b64encode(body).decode()), "Bundle.entry[0].resource")
        assert failure.value.problems[0].expression == "Bundle.entry[0].resource.data"
    with pytest.raises(InvalidElement, match="base64"):
        patch_of_binary(binary("?"), "x")
