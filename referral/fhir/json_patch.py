"""JSON Patch on content (RFC 6902), by JSON Pointer (RFC 6901). https://hl7.org/fhir/R4/http.html#patch

Ours and not a library's, because numbers of content are texts (`RawNumber`): they must come out digit for
digit, and are equal when their values are.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from referral.domain.errors import BrokenRule, DomainError, InvalidElement, Problem
from referral.fhir.content import MAX_DEPTH, RawNumber, read_array

MEDIA_TYPE: Final = "application/json-patch+json"
MOST_OPERATIONS: Final = 1000

# What copying may add in all: a resource copied into itself doubles with each operation.
_MOST_COPIED: Final = 100_000
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a patch; `path` and `origin` are pointers, taken apart and unescaped."""

    op: str
    path: tuple[str, ...]
    origin: tuple[str, ...] = ()
    value: Any = None


def read_patch(operations: list[Any]) -> tuple[Operation, ...]:
    """The operations of a patch document. Raises InvalidElement naming each that is none."""
    if len(operations) > MOST_OPERATIONS:
        raise InvalidElement(f"A patch has at most {MOST_OPERATIONS} operations.")
    problems: list[Problem] = []
    found: list[Operation] = []
    for position, operation in enumerate(operations):
        try:
            found.append(_operation(operation))
        except ValueError as fault:
            problems.append(Problem(f"Operation {position}: {fault}"))
    if problems:
        raise InvalidElement(problems[:100])
    return tuple(found)


def patch_of_binary(content: Mapping[str, Any], place: str) -> tuple[Operation, ...]:
    """The patch in an entry of a Bundle: a Binary of JSON Patch. place: the path of the Binary.

    Raises InvalidElement for another resource, and for what is no patch.
    """
    if content.get("resourceType") != "Binary" or content.get("contentType") != MEDIA_TYPE:
        raise InvalidElement(f"A PATCH has a Binary of {MEDIA_TYPE} as its resource.", place)
    try:
        body = b64decode(content.get("data", ""), validate=True)
    except ValueError:
        raise InvalidElement("The data of a Binary are base64.", f"{place}.data") from None
    try:
        return read_patch(read_array(body))
    except DomainError as error:
        error.problems = tuple(replace(problem, expression=f"{place}.data") for problem in error.problems)
        raise


def apply_patch(content: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """Content after all operations, in their order; changes what it is given.

    Raises BrokenRule for the first that cannot be done: a path that is not there, a test that fails.
    """
    whole: dict[str, Any] = {"": content}
    left = _Budget(_MOST_COPIED)
    for position, operation in enumerate(operations):
        try:
            _apply(whole, operation, left)
        except LookupError as fault:
            raise BrokenRule(
                f"Operation {position} ({operation.op}): {fault.args[0]}",
                _expression(content, operation.path),
            ) from None
    found = whole.get("")
    if not isinstance(found, dict):
        raise BrokenRule("After the patch there is no resource left.")
    return found


def _operation(operation: Any) -> Operation:
    if not isinstance(operation, dict):
        raise ValueError("it is not an object.")  # noqa: TRY004 - what a client sent is no fault of types
    op = operation.get("op")
    members = _MEMBERS.get(op) if isinstance(op, str) else None
    if not isinstance(op, str) or members is None:
        raise ValueError(f"op is one of {', '.join(_MEMBERS)}.")
    for member in members:
        if member not in operation:
            raise ValueError(f"{op} needs {member}.")
    origin = _pointer(operation["from"]) if "from" in members else ()
    path = _pointer(operation["path"])
    if op == "move" and path[: len(origin)] == origin and path != origin:
        raise ValueError("nothing is moved into itself.")
    return Operation(op, path, origin, operation.get("value"))


def _pointer(text: Any) -> tuple[str, ...]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ValueError("a path begins with /, such as /name/0/family.")
    if "~" in text.replace("~0", "").replace("~1", ""):
        raise ValueError("in a path, ~ stands before 0 or 1 only.")
    # The whole is below one more name: so it has a place like any other.
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in ("", *text.split("/")[1:]))


def _apply(whole: dict[str, Any], operation: Operation, left: "_Budget") -> None:
    match operation.op:
        case "add":
            _add(whole, operation.path, left.copied(operation.value))
        case "remove":
            _remove(whole, operation.path)
        case "replace":
            _find(whole, operation.path)
            parent, name = _parent(whole, operation.path)
            parent[name] = left.copied(operation.value)
        case "move":
            _add(whole, operation.path, _remove(whole, operation.origin))
        case "copy":
            _add(whole, operation.path, left.copied(_find(whole, operation.origin)))
        case _:
            if not _same(_find(whole, operation.path), operation.value):
                raise LookupError("the test fails: there is another value.")


def _find(whole: Any, path: Sequence[str]) -> Any:
    value = whole
    for part in path:
        if isinstance(value, dict):
            if part not in value:
                raise _nothing()
            value = value[part]
        elif isinstance(value, list):
            value = value[_index(part, len(value) - 1)]
        else:
            raise _nothing()
    return value


def _parent(whole: dict[str, Any], path: Sequence[str]) -> tuple[Any, Any]:
    """The object or array that holds the last part of a path, and its name or place there."""
    parent, name = _find(whole, path[:-1]), path[-1]
    if isinstance(parent, list):
        return parent, _index(name, len(parent) - 1)
    if isinstance(parent, dict):
        return parent, name
    raise _nothing()


def _add(whole: dict[str, Any], path: Sequence[str], value: Any) -> None:
    parent = _find(whole, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(path[-1], len(parent)), value)
    else:
        raise _nothing()


def _remove(whole: dict[str, Any], path: Sequence[str]) -> Any:
    found = _find(whole, path)
    parent, name = _parent(whole, path)
    del parent[name]
    return found


def _nothing() -> LookupError:
    return LookupError("there is nothing at this path.")


def _index(part: str, last: int) -> int:
    if not (part.isascii() and part.isdigit()) or (part != "0" and part.startswith("0")) or len(part) > 9:
        raise LookupError("a place in an array is a number from 0.")
    if int(part) > last:
        raise LookupError("the array has no such place.")
    return int(part)


class _Budget:
    """How much may still be copied."""

    def __init__(self, most: int) -> None:
        self._left = most

    def copied(self, value: Any, depth: int = 0) -> Any:
        """A copy that shares nothing. Raises BrokenRule when that is too much, or too deep."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise BrokenRule("The patch makes the resource too large.")
        if isinstance(value, dict):
            return {name: self.copied(below, depth + 1) for name, below in value.items()}
        if isinstance(value, list):
            return [self.copied(below, depth + 1) for below in value]
        return value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    numbers = _number(one), _number(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return type(one) is type(other) and bool(one == other)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, RawNumber):
        return value.decimal
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _expression(content: dict[str, Any], path: Sequence[str]) -> str | None:
    """The FHIRPath of a pointer, as far as it is one of this type of resource."""
    found = str(content.get("resourceType", ""))
    for part in path[1:]:
        if part.isascii() and part.isdigit():
            found += f"[{part}]"
        elif part.isascii() and part.isalnum():
            found += f".{part}"
        else:
            break
    return found or None
