"""Reading numbers with a unit, and places.

https://hl7.org/fhir/R4/search.html#quantity, https://hl7.org/fhir/R4/location.html#positional
"""

import re
from decimal import Decimal
from typing import Final

from referral.domain.search import Prefix, QuantityValue
from referral.fhir.search_texts import PREFIX, ParameterError, split, unescaped
from referral.fhir.text_keys import token_key

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_DEGREES: Final = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,15})?")
_DISTANCE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# https://hl7.org/fhir/R4/search.html#prefix: ap is within 10 % of the stated value.
_ABOUT: Final = Decimal("0.1")
_KILOMETRES: Final = {"km": 1.0, "m": 0.001, "[mi_i]": 1.609344, "mi": 1.609344, "[mi_us]": 1.609347}
_NEAR: Final = "50"
_MOST_LATITUDE, _MOST_LONGITUDE = 90, 180


def read_quantity(text: str) -> QuantityValue:
    """`[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code`. Raises ParameterError."""
    number, *unit = [unescaped(part) for part in split(text, "|")]
    prefix = Prefix.EQ
    if found := PREFIX.match(number):
        if found[0] not in list(Prefix):
            raise ParameterError(f"a prefix is one of {', '.join(Prefix)}.")
        prefix, number = Prefix(found[0]), number[2:]
    # An unescaped "+" arrives as a space.
    number = number.replace(" ", "+", 1)
    if not _NUMBER.fullmatch(number):
        raise ParameterError("a value is a number such as 5.40, with |system|code or ||code behind it.")
    match unit:
        case []:
            system, code = None, None
        case [system_text, code_text] if code_text:
            system, code = token_key(system_text) if system_text else None, token_key(code_text)
        case _:
            raise ParameterError("a unit is |system|code or ||code.")
    exact = Decimal(number)
    if prefix is Prefix.AP:
        around = abs(exact) * _ABOUT
    else:
        # Half a unit of the last digit that was written.
        around = Decimal((0, (5,), int(exact.as_tuple().exponent) - 1))
    return QuantityValue(prefix, exact - around, exact + around, exact, system, code)


def read_place(text: str) -> tuple[float, float, float]:
    """`latitude|longitude|distance|unit`: degrees, and kilometres at most. Raises ParameterError.

    Without a distance 50 km, without a unit km.
    """
    parts = [unescaped(part).strip() for part in split(text, "|")]
    latitude, longitude, distance, unit = [*parts, "", "", "", ""][:4]
    known = (
        len(parts) in {2, 3, 4}
        and _DEGREES.fullmatch(latitude)
        and _DEGREES.fullmatch(longitude)
        and (not distance or _DISTANCE.fullmatch(distance))
        and (not unit or unit in _KILOMETRES)
        and abs(float(latitude)) <= _MOST_LATITUDE
        and abs(float(longitude)) <= _MOST_LONGITUDE
    )
    if not known:
        units = ", ".join(_KILOMETRES)
        raise ParameterError(f"a value is latitude|longitude|distance|unit, the unit one of {units}.")
    return float(latitude), float(longitude), float(distance or _NEAR) * _KILOMETRES[unit or "km"]
