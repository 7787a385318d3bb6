"""Content comes back as it was sent; what cannot be kept is refused."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from referral.domain.errors import BrokenRule, MalformedContent
from referral.fhir.content import (
    MAX_DEPTH,
    RawNumber,
    number_text,
    read_content,
    write_content,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
DIGITS = st.text("0123456789", min_size=1, max_size=25)
PLAIN = st.builds(
    lambda sign, whole, rest: sign + (whole.lstrip("0") or "0") + rest,
    st.sampled_from(["", "-"]),
    DIGITS,
    st.one_of(st.just(""), DIGITS.map(lambda digits: "." + digits)),
)
NUMBERS = (
    st.builds(
        lambda plain, exponent: plain + exponent,
        PLAIN,
        st.one_of(st.just(""), st.integers(-200, 200).map(lambda power: f"e{power}")),
    )
    .filter(lambda text: not (text.startswith("-") and Decimal(text).is_zero()))
    .map(RawNumber)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXT, NUMBERS, st.integers(-(2**63), 2**63 - 1)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


def tokens(body: bytes) -> Any:
    """The body as an independent reader sees it, each number as its text."""
    return json.loads(
        body, parse_int=lambda text: ("number", text), parse_float=lambda text: ("number", text)
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.dictionaries(TEXT, VALUES, max_size=5))
@example({"resourceType": "Observation", "value": RawNumber("0.010")})
def test_what_is_written_is_read_back_equal_digit_for_digit(content: dict[str, Any]) -> None:
    body = write_content(content)
    again = read_content(body)
    assert tokens(write_content(again)) == tokens(body)


@pytest.mark.parametrize(
    "number",
    ["0", "-5", "0.010", "1.0", "1e3", "1E+3", "12345678901234567890", "1e-300", "9.99e300", "0.0", "0e5"],
)
def test_numbers_keep_their_text(number: str) -> None:
    body = f'{{"value":{number}}}'.encode()
    content = read_content(body)
    assert number_text(content["value"]) == number
    assert write_content(content) == body


def test_small_whole_numbers_are_plain_integers() -> None:
    assert read_content(b'{"count": 20, "offset": -3}') == {"count": 20, "offset": -3}


def test_numbers_are_equal_when_their_digits_are() -> None:
    one, same, longer = (read_content(b'{"v":%s}' % text)["v"] for text in (b"1.0", b"1.0", b"1.00"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != longer
    assert one.decimal == longer.decimal


def test_read_content_can_be_changed_and_written_again() -> None:
    content = read_content(b'{"resourceType":"Observation","valueQuantity":{"value":36.60}}')
    content["id"] = "a"
    content["meta"] = {"versionId": "1"}
    content["valueQuantity"]["extension"] = [{"url": "urn:x", "valueDecimal": Decimal("2.50")}]
    assert write_content(content) == (
        b'{"resourceType":"Observation","valueQuantity":{"value":36.60,"extension":[{"url":"urn:x",'
        b'"valueDecimal":2.50}]},"id":"a","meta":{"versionId":"1"}}'
    )


def test_decimals_of_our_own_are_written_without_exponent() -> None:
    assert write_content({"minutes": Decimal("1E+2")}) == b'{"minutes":100}'


@pytest.mark.parametrize("value", [True, 1.5, "1", None])
def test_only_numbers_of_content_have_number_text(value: object) -> None:
    with pytest.raises(TypeError):
        number_text(value)


def test_a_byte_order_mark_is_ignored() -> None:
    assert read_content(b'\xef\xbb\xbf{"a":"b"}') == {"a": "b"}


def test_surrogate_pairs_and_escaped_backslashes_are_text() -> None:
    assert read_content(b'{"a":"\\ud83d\\ude00","b":"\\\\u0000"}') == {"a": "\U0001f600", "b": "\\u0000"}


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def test_the_deepest_content_taken() -> None:
    assert read_content(nested(MAX_DEPTH))


def test_many_shallow_objects_are_not_deep() -> None:
    assert len(read_content(b'{"a":[' + b"{}," * 200 + b"{}]}")["a"]) == 201


@pytest.mark.parametrize(
    ("body", "expression"),
    [
        (b"", None),
        (b"hello", None),
        (b'{"a":1', None),
        (b'{"a":1}}', None),
        (b"{'a':1}", None),
        (b'{"a":01}', None),
        (b'{"a":NaN}', None),
        (b'{"a":-Infinity}', None),
        (b'{"a":"\x00"}', None),
        (b'{"a":"\xff"}', None),
        (b"\xff\xfe{\x00}\x00", None),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
        (nested(MAX_DEPTH + 1), None),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", None),
        (b"[" * 200_000, None),
        (b'{"a":1,"a":1}', "$this"),
        (b'{"resourceType":"Task","input":[{},{"type":1,"type":2}]}', "Task.input[1]"),
        (b'{"resourceType":"Task","description":"a\\u0000"}', "Task.description"),
        (b'{"resourceType":"Task","note":[{"text":"\\ud83d"}]}', "Task.note[0].text"),
        (b'{"resourceType":"Task","\\u0000":1}', "Task"),
        (b'{"resourceType":"Task","x":{"\\udc00":1}}', "Task.x"),
    ],
)
def test_malformed_bodies_are_refused(body: bytes, expression: str | None) -> None:
    with pytest.raises(MalformedContent) as refused:
        read_content(body)
    assert refused.value.problems[0].expression == expression


@pytest.mark.parametrize(
    "number",
    [
        "-0",
        "-0.0",
        "-0e7",
        "1E40000000",
        "1e301",
        "1e-301",
        "0e301",
        "1e" + "9" * 30,
        "1" * 1001,
        "0." + "1" * 1000,
    ],
)
def test_numbers_that_cannot_be_kept_are_refused(number: str) -> None:
    with pytest.raises(BrokenRule) as refused:
        read_content(f'{{"resourceType":"Observation","a":[1,{number}]}}'.encode())
    assert refused.value.problems[0].expression == "Observation.a[1]"


def test_every_repeated_key_is_told() -> None:
    with pytest.raises(MalformedContent) as refused:
        read_content(b'{"a":{"b":1,"b":2},"c":{"d":1,"d":2}}')
    assert {problem.expression for problem in refused.value.problems} == {"$this.a", "$this.c"}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.binary(max_size=60))
@example(b'{"":0}')
def test_any_bytes_are_content_or_malformed(body: bytes) -> None:
    with suppress(MalformedContent, BrokenRule):
        content = read_content(body)
        assert read_content(write_content(content)) == content
