"""What `$validate` is asked: https://hl7.org/fhir/R4/resource-operation-validate.html."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from referral.domain.errors import InvalidElement, MissingElement

MODES: Final = ("create", "update", "delete", "profile")
"""https://hl7.org/fhir/R4/valueset-resource-validation-mode.html"""
_CODES: Final = ("valueCode", "valueString")
_ADDRESSES: Final = ("valueUri", "valueCanonical", "valueUrl", "valueString")


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """A resource (None for a delete), what is to be done with it, the profile that it is to be held against.

    mode: one of `MODES`. profile: its canonical address.
    """

    resource: dict[str, Any] | None
    mode: str | None = None
    profile: str | None = None


def read_validation(content: dict[str, Any] | None, query: Iterable[tuple[str, str]]) -> ValidationRequest:
    """From a body, which is Parameters or the resource itself, and the query of the address.

    Raises InvalidElement for other parameters, or one that is given twice; MissingElement without a resource,
    unless the mode is delete.
    """
    given: dict[str, Any] = {}
    for name, value in query:
        _take(given, name, value, None)
    if content is not None and content.get("resourceType") == "Parameters":
        entries = content.get("parameter", [])
        if not isinstance(entries, list):
            raise InvalidElement("Must be an array.", "Parameters.parameter")
        for position, entry in enumerate(entries):
            place = f"Parameters.parameter[{position}]"
            if not isinstance(entry, dict):
                raise InvalidElement("Must be an object.", place)
            _take(given, entry.get("name"), _value(entry), place)
    elif content is not None:
        given["resource"] = content
    mode = given.get("mode")
    if mode is not None and mode not in MODES:
        raise InvalidElement(f"The mode is one of: {', '.join(MODES)}.")
    if "resource" not in given and mode != "delete":
        raise MissingElement("Send what is to be validated.", "Parameters.parameter")
    return ValidationRequest(given.get("resource"), mode, given.get("profile"))


def _take(given: dict[str, Any], name: object, value: Any, place: str | None) -> None:
    # In an address stands no resource.
    known = ("mode", "profile") if place is None else ("mode", "profile", "resource")
    if not isinstance(name, str) or name not in known:
        raise InvalidElement(f"The parameters are: {', '.join(known)}.", place)
    if name in given:
        raise InvalidElement(f"The parameter {name} is given twice.", place)
    if not isinstance(value, dict if name == "resource" else str):
        raise InvalidElement(f"The parameter {name} has another type.", place)
    given[name] = value


def _value(entry: Mapping[str, Any]) -> Any:
    if entry.get("name") == "resource":
        return entry.get("resource")
    types = _CODES if entry.get("name") == "mode" else _ADDRESSES
    return next((entry[kind] for kind in types if kind in entry), None)
