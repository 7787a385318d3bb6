"""The one reader and writer of resource content.

Content is a plain `dict` that other code may change (add `id`, `meta`, extensions) and write again.
What came in goes out equal, element for element, decimals digit for digit: a number that is not a
small integer is kept as its text (`RawNumber`), because FHIR decimals carry their precision
(https://hl7.org/fhir/R4/datatypes.html#decimal: 0.010 is not 0.01) and binary floats would lose it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NoReturn

import orjson

from referral.domain.errors import BrokenRule, DomainError, MalformedContent, Problem

MAX_DEPTH: Final = 64
MAX_EXPONENT: Final = 300
MAX_DIGITS: Final = 1000
MAX_PROBLEMS: Final = 100

# Integers up to this many characters are plain `int`: they fit the 64 bits that the writer takes.
_PLAIN_INTEGER: Final = 18
_SUSPECT_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class RawNumber:
    """A JSON number as it was written. Equal when the text is equal: 1.0 is not 1.00."""

    text: str

    @property
    def decimal(self) -> Decimal:
        """The exact value."""
        return Decimal(self.text)


def read_content(body: bytes) -> dict[str, Any]:
    """Parse one JSON object; numbers are `int` or `RawNumber`, never `float`.

    Raises MalformedContent when the body is not JSON in UTF-8, not an object, repeats a key, holds a
    NUL or half of a surrogate pair, or is nested deeper than `MAX_DEPTH`; BrokenRule for a number
    that `jsonb` cannot keep (-0, exponents beyond `MAX_EXPONENT`, more than `MAX_DIGITS` digits).
    At most `MAX_PROBLEMS` problems are listed.
    """
    content: dict[str, Any] = _Reader().read(body, dict, "object")
    return content


def read_array(body: bytes) -> list[Any]:
    """Parse one JSON array, such as a patch, as `read_content` parses an object."""
    content: list[Any] = _Reader().read(body, list, "array, as a JSON Patch is")
    return content


def reread_content(content: bytes) -> dict[str, Any]:
    """Parse what `read_content` took and the store kept: the same values, without looking for faults."""
    found: dict[str, Any] = _STORED.decode(content.decode())
    return found


def write_content(content: Any, *, pretty: bool = False) -> bytes:
    """JSON in UTF-8, compact or for a reader's eyes.

    Raw numbers go out as they came in, `Decimal` without an exponent. An `int` of our own must fit 64 bits.
    """
    indent = orjson.OPT_INDENT_2 if pretty else 0
    return orjson.dumps(content, default=_fragment, option=orjson.OPT_PASSTHROUGH_DATACLASS | indent)


def number_text(value: object) -> str:
    """The digits of a number of content: those that the sender wrote.

    Raises TypeError for what is not a number (a boolean is none).
    """
    match value:
        case RawNumber(text):
            return text
        case Decimal():
            return format(value, "f")
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            raise TypeError(f"not a number of content: {type(value).__name__}")


def _is_plain(text: str) -> bool:
    return len(text) <= _PLAIN_INTEGER and text != "-0"


_STORED: Final = json.JSONDecoder(
    parse_int=lambda text: int(text) if _is_plain(text) else RawNumber(text), parse_float=RawNumber
)


def _fragment(value: object) -> orjson.Fragment:
    return orjson.Fragment(number_text(value))


class _Reader:
    """Collects what the hooks of `json` refuse; they do not know where in the body they are."""

    def __init__(self) -> None:
        self._repeated: list[tuple[object, str]] = []
        self._refused: list[tuple[object, str]] = []

    def read(self, body: bytes, kind: type, name: str) -> Any:
        try:
            content = json.loads(
                body.decode("utf-8-sig"),
                object_pairs_hook=self._object,
                parse_int=self._integer,
                parse_float=self._number,
                parse_constant=_not_json,
            )
        except RecursionError:
            raise _too_deep() from None
        except UnicodeDecodeError:
            raise MalformedContent("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise MalformedContent(
                f"The body is not JSON: line {error.lineno}, column {error.colno}."
            ) from None
        if not isinstance(content, kind):
            raise MalformedContent(f"The body is not a JSON {name}.")
        # Walking all content costs as much as parsing it, so only what can be wrong is walked.
        if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
            _check_depth(content)
        if _SUSPECT_ESCAPE.search(body):
            _check_text(content)
        _raise_found(MalformedContent, self._repeated, content)
        _raise_found(BrokenRule, self._refused, content)
        return content

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self._repeated.append((found, "The object repeats a key."))
        return found

    def _integer(self, text: str) -> int | RawNumber:
        return int(text) if _is_plain(text) else self._number(text)

    def _number(self, text: str) -> RawNumber:
        number = RawNumber(text)
        if fault := _number_fault(text):
            self._refused.append((number, fault))
        return number


def _number_fault(text: str) -> str | None:
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    if len(mantissa.lstrip("-").replace(".", "")) > MAX_DIGITS:
        return f"The number has more than {MAX_DIGITS} digits."
    # A longer exponent is out of range whatever the mantissa, and Decimal refuses the longest.
    if len(exponent.lstrip("+-").lstrip("0")) > len(str(MAX_DIGITS + MAX_EXPONENT)):
        return f"The exponent is beyond {MAX_EXPONENT}."
    value = Decimal(text)
    if value.is_zero() and value.is_signed():
        return "Minus zero cannot be kept."
    if exponent and abs(value.adjusted()) > MAX_EXPONENT:
        return f"The exponent is beyond {MAX_EXPONENT}."
    return None


def _raise_found(kind: type[DomainError], found: list[tuple[object, str]], content: Any) -> None:
    if not found:
        return
    # A large body can be wrong a million times; the first hundred are told.
    told = found[:MAX_PROBLEMS]
    sought = {id(value) for value, _ in told}
    paths = {id(value): path for path, value in _values(content) if id(value) in sought}
    # A value that a repeated key threw away has no path of its own.
    raise kind([Problem(text, paths.get(id(value))) for value, text in told])


def _values(content: Any) -> Iterator[tuple[str, Any]]:
    """All objects, arrays and leaves, each with its path from the resource type."""
    kind = content.get("resourceType") if isinstance(content, dict) else None
    start = kind if isinstance(kind, str) and _NAME.fullmatch(kind) else "$this"
    left: list[tuple[str, Any]] = [(start, content)]
    while left:
        path, value = left.pop()
        yield path, value
        if isinstance(value, dict):
            left.extend((f"{path}.{key}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            left.extend((f"{path}[{index}]", inner) for index, inner in enumerate(value))


def _check_depth(content: Any) -> None:
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _check_text(content: Any) -> None:
    for path, value in _values(content):
        texts = value.keys() if isinstance(value, dict) else (value,)
        if any(isinstance(text, str) and _UNSTORABLE.search(text) for text in texts):
            raise MalformedContent("The text holds a NUL or half of a surrogate pair.", path)


def _too_deep() -> MalformedContent:
    return MalformedContent(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _not_json(name: str) -> NoReturn:
    raise MalformedContent(f"The body is not JSON: {name} is not a number.")
