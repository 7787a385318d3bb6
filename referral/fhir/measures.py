"""Values and places as they are searched: bounds of a Quantity or Range, the point of a position.

https://hl7.org/fhir/R4/search.html#quantity
"""

import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from referral.fhir.content import RawNumber, number_text
from referral.fhir.text_keys import token_key

NO_LOW: Final = -math.inf
NO_HIGH: Final = math.inf
# Beyond these, values are all alike.
_FARTHEST: Final = sys.float_info.max


def quantity_rows(element: Any) -> Iterator[tuple[str, str, float, float]]:
    """(system, code, low, high) of a Quantity or a Range; nothing for what has no number.

    The bounds are what is known of the value, both within: the value twice, for a comparator or a Range
    without an end `NO_LOW` or `NO_HIGH`. A unit in words that is not the code has a row of its own, without
    a system.
    """
    if not isinstance(element, dict):
        return
    low, high = _bounds(element)
    if (low, high) == (NO_LOW, NO_HIGH):
        return
    measured = element
    if "value" not in element:
        measured = next(part for name in ("low", "high") if isinstance(part := element.get(name), dict))
    system, code, unit = (_text(measured.get(name)) for name in ("system", "code", "unit"))
    if code or not unit:
        yield system, code, low, high
    if unit and unit != code:
        yield "", unit, low, high


def point(element: Any) -> tuple[float, float] | None:
    """Latitude and longitude of a position on Earth; None for anything else."""
    if not isinstance(element, dict):
        return None
    latitude, longitude = _number(element.get("latitude")), _number(element.get("longitude"))
    if latitude is None or longitude is None:
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _bounds(element: dict[str, Any]) -> tuple[float, float]:
    value = _number(element.get("value"))
    if value is None:
        ends = [element.get(name) for name in ("low", "high")]
        low, high = (_number(end.get("value")) if isinstance(end, dict) else None for end in ends)
        return NO_LOW if low is None else low, NO_HIGH if high is None else high
    match element.get("comparator"):
        case "<" | "<=":
            return NO_LOW, value
        case ">" | ">=":
            return value, NO_HIGH
        case _:
            return value, value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | RawNumber | Decimal):
        return None
    return max(-_FARTHEST, min(_FARTHEST, float(number_text(value))))


def _text(value: Any) -> str:
    return token_key(value) if isinstance(value, str) else ""
