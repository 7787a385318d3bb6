"""Where a patient lives, by the addresses of a Patient (http://hl7.org/fhir/R4/datatypes.html#address)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from referral.fhir.elements import extension

_GEOLOCATION: Final = "http://hl7.org/fhir/StructureDefinition/geolocation"
_POLE: Final = 90
_PARTS: Final = ("line", "city", "district", "text")


def home_of(
    addresses: Iterable[Mapping[str, Any]],
) -> tuple[tuple[float, float] | None, frozenset[str]] | None:
    """Position in degrees, and the names that may be those of the commune; None where neither is told.

    Their numbers are plain ones. The address for living comes first; old ones and those for bills are none.
    """
    lived = [found for found in addresses if found.get("use") in {None, "home", "temp"}]
    lived.sort(key=lambda found: found.get("use") != "home")
    for address in lived:
        position, names = _position(address), _names(address)
        if position is not None or names:
            return position, names
    return None


def _position(address: Mapping[str, Any]) -> tuple[float, float] | None:
    parts = (extension(address, _GEOLOCATION) or {}).get("extension", ())
    told = {part.get("url"): part.get("valueDecimal") for part in parts}
    latitude, longitude = told.get("latitude"), told.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return (latitude, longitude) if abs(latitude) <= _POLE and abs(longitude) <= 2 * _POLE else None


def _names(address: Mapping[str, Any]) -> frozenset[str]:
    values = [address[part] for part in _PARTS if part in address]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    words = (part.strip().casefold() for text in texts if isinstance(text, str) for part in text.split(","))
    return frozenset(word for word in words if word)
