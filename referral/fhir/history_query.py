"""Reading what a history asks for. https://hl7.org/fhir/R4/http.html#history

`_since` and `_count`; the cursor of a next link is opaque to clients and checked when it returns: it says
where to go on, and nothing about what is shown.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from referral.domain.errors import InvalidElement, Problem
from referral.fhir.intervals import interval
from referral.fhir.opaque_id import PLACE, number_behind, opaque_id
from referral.fhir.search_query import DEFAULT_COUNT, MAX_COUNT

_PARAMETERS: Final = ("_count", "_since", "_cursor", "_format", "_pretty")
_MAX_CURSOR: Final = 400
_MOST_DIGITS: Final = 9

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A page of a history: `count` versions made at `since` or later (None: ever), after `cursor`.

    self_pairs: what was understood, without the cursor, for the links.
    """

    count: int
    since: datetime | None
    cursor: tuple[int, ...] | None
    self_pairs: tuple[tuple[str, str], ...]


def parse_history(
    about: str, pairs: Sequence[tuple[str, str]], *, numbers: int, lenient: bool, key: bytes
) -> HistoryQuery:
    """The query of the history of `about` (a type, or type and id) from decoded pairs.

    numbers: how many a cursor of this history has. key: as of `opaque_id`. Raises InvalidElement naming every
    parameter at fault; lenient: unknown ones are passed over.
    """
    problems: list[Problem] = []
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in _PARAMETERS:
            if not lenient:
                shown = "".join(character if character.isprintable() else "?" for character in name[:60])
                text = f"Parameter {shown}: a history has {', '.join(_PARAMETERS)}."
                problems.append(Problem(text))
        elif name in found:
            problems.append(Problem(f"Parameter {name}: it is given once."))
        elif value:
            found[name] = value

    def read(name: str, reader: Callable[[str], Value]) -> Value | None:
        try:
            return reader(found[name]) if name in found else None
        except ValueError as fault:
            problems.append(Problem(f"Parameter {name}: {fault}"))
            return None

    count = read("_count", _count)
    since = read("_since", _since)
    cursor = read("_cursor", lambda text: _decode(text, about, numbers, key))
    if problems:
        raise InvalidElement(problems)
    kept = tuple((name, value) for name, value in found.items() if name != "_cursor")
    return HistoryQuery(DEFAULT_COUNT if count is None else count, since, cursor, kept)


def history_cursor(about: str, numbers: Sequence[int], key: bytes) -> str:
    """The cursor of a next link: where the history of `about` goes on.

    numbers: from 0; those of transactions and rows would tell how much others write. key: as of `opaque_id`.
    """
    hidden = (opaque_id(key, PLACE, number + 1) for number in numbers)
    content = json.dumps([about, *hidden], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) == 0:
        raise ValueError(f"a number from 1; a page has at most {MAX_COUNT}.")
    return min(int(text), MAX_COUNT)


def _since(text: str) -> datetime:
    try:
        return interval(text).low
    except ValueError:
        raise ValueError("an instant, such as 2026-03-01T08:00:00Z.") from None


def _decode(text: str, about: str, numbers: int, key: bytes) -> tuple[int, ...]:
    wrong = ValueError("it is not from a next link of this history.")
    if len(text) > _MAX_CURSOR:
        raise wrong
    try:
        padded = (text + "=" * (-len(text) % 4)).encode("ascii")
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise wrong from None
    match content:
        case [str() as named, *values] if named == about and len(values) == numbers:
            found = [number_behind(key, PLACE, value) if isinstance(value, str) else None for value in values]
            if None not in found:
                return tuple(number - 1 for number in found if number is not None)
    raise wrong
