"""What `$claim` is asked: Parameters with `number` and `birthDate`."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from referral.domain.errors import InvalidElement, MissingElement

_VALUES: Final = {"number": ("valueString",), "birthDate": ("valueDate", "valueString")}
_LONGEST: Final = 64
# Of many nobody knows more than the year.
_BORN: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", re.ASCII)
_BETWEEN: Final = re.compile(r"[\s.-]+")


def read_claim(content: Mapping[str, Any]) -> tuple[str, str]:
    """Number, as the hub writes it, and birth date (YYYY-MM-DD, YYYY-MM or YYYY).

    Raises InvalidElement for other parameters, values of another type, and what is no date; MissingElement.
    """
    given: dict[str, str] = {}
    entries = content.get("parameter", [])
    if not isinstance(entries, list):
        raise InvalidElement("Must be an array.", "Parameters.parameter")
    for position, entry in enumerate(entries):
        place = f"Parameters.parameter[{position}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in _VALUES:
            raise InvalidElement(f"The parameters are: {', '.join(_VALUES)}.", place)
        if name in given:
            raise InvalidElement(f"The parameter {name} is given twice.", place)
        value = next((entry[kind] for kind in _VALUES[name] if kind in entry), None)
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise InvalidElement(f"The parameter {name} has another type.", place)
        given[name] = value
    for name in _VALUES:
        if name not in given:
            raise MissingElement(f"A claim needs the parameter {name}.", "Parameters.parameter")
    born = given["birthDate"]
    try:
        if _BORN.fullmatch(born) is None:
            raise ValueError
        date.fromisoformat(born + "0001-01-01"[len(born) :])
    except ValueError:
        raise InvalidElement(
            "The birth date is YYYY-MM-DD, YYYY-MM or YYYY.", "Parameters.parameter"
        ) from None
    return _BETWEEN.sub("", given["number"]).upper(), born
