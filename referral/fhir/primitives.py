"""Forms of the primitive types (https://hl7.org/fhir/R4/datatypes.html#primitive).

Every check takes a value of content as `read_content` gives it and answers what is wrong in words,
or None. The words never repeat the value: it may be about a patient.
"""

import binascii
import re
from collections.abc import Callable
from datetime import date
from typing import Final
from xml.parsers import expat

from referral.fhir.content import RawNumber

Check = Callable[[object], str | None]

# https://hl7.org/fhir/R4/datatypes.html#id
ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
MAX_STRING: Final = 1024 * 1024
_XHTML: Final = "http://www.w3.org/1999/xhtml"
# https://hl7.org/fhir/R4/narrative.html#xhtml (txt-1): the elements of chapters 7 to 11, but section 4 of
# chapter 9, and 15 of HTML 4.0, with links and images.
_HTML: Final = frozenset(
    """a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em
    font h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q s samp small span strike strong sub sup table
    tbody td tfoot th thead tr tt u ul var""".split()
)
_ACTIVE_ADDRESSES: Final = ("javascript:", "vbscript:", "data:text")
# Browsers skip these inside an address.
_SKIPPED: Final = re.compile(r"[\x00-\x20]+")

_DATE: Final = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_PARTIAL: Final = r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2]))?"


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "Must be true or false, without quotes."


def _whole(low: int, high: int) -> Check:
    fault = f"Must be a whole number from {low} to {high}, without quotes."

    def check(value: object) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fits else fault

    return check


def _decimal(value: object) -> str | None:
    if isinstance(value, RawNumber) or (isinstance(value, int) and not isinstance(value, bool)):
        return None
    return "Must be a number, without quotes."


def _string(value: object) -> str | None:
    if not isinstance(value, str):
        return "Must be a string."
    if not value or value.isspace():
        return "Must not be empty or only white space."
    if len(value) > MAX_STRING:
        return f"Must not be longer than {MAX_STRING} characters."
    return None


def _matching(pattern: str, form: str) -> Check:
    matches = re.compile(pattern).fullmatch

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "Must be a string."
        return None if matches(value) else f"Must be {form}."

    return check


def _dated(pattern: str, form: str) -> Check:
    """A form with a day that must also be in the calendar."""
    matches = re.compile(pattern).fullmatch
    fault = f"Must be {form}."

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "Must be a string."
        if not matches(value):
            return fault
        if len(value) >= len("2026-01-01"):
            try:
                date.fromisoformat(value[:10])
            except ValueError:
                return fault
        return None

    return check


def _base64(value: object) -> str | None:
    if not isinstance(value, str):
        return "Must be a string."
    text = "".join(value.split())
    try:
        decoded = bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        decoded = False
    return None if decoded else "Must be base64."


def _xhtml(value: object) -> str | None:
    if fault := _string(value):
        return fault
    reading = _Narrative()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reading.element
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.doctype
    try:
        parser.Parse(str(value), True)
    except expat.ExpatError as error:
        return f"Must be well-formed XHTML: line {error.lineno}, column {error.offset + 1}."
    except _NotAllowedError as error:
        return str(error)
    return None if reading.content else "The narrative must not be empty."


def _is_active(attribute: str, text: str) -> bool:
    if attribute in {"href", "src"}:
        return _SKIPPED.sub("", text).lower().startswith(_ACTIVE_ADDRESSES)
    return attribute.startswith("on")


class _NotAllowedError(Exception):
    pass


class _Narrative:
    """What expat meets: a `div` of XHTML with some content and nothing active in it."""

    def __init__(self) -> None:
        self.content = False
        self._outermost = True

    def element(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self._outermost and (namespace, local) != (_XHTML, "div"):
            raise _NotAllowedError(f"Must be a div in the namespace {_XHTML}.")
        self._outermost = False
        if namespace != _XHTML or local not in _HTML:
            raise _NotAllowedError("The narrative holds an element that no narrative may hold.")
        if any(
            _is_active(attribute.rpartition(" ")[2].lower(), text) for attribute, text in attributes.items()
        ):
            raise _NotAllowedError("The narrative must not hold scripts.")
        self.content = self.content or local == "img"

    def text(self, text: str) -> None:
        self.content = self.content or not text.isspace()

    def doctype(self, *_: object) -> None:
        raise _NotAllowedError("The narrative must not hold a document type.")


_URI: Final = _matching(r"\S+", "a URI without white space")

CHECKS: Final[dict[str, Check]] = {
    "boolean": _boolean,
    "integer": _whole(-(2**31), 2**31 - 1),
    "unsignedInt": _whole(0, 2**31 - 1),
    "positiveInt": _whole(1, 2**31 - 1),
    "decimal": _decimal,
    "string": _string,
    "markdown": _string,
    "code": _matching(r"\S+(?: \S+)*", "a code: no white space but single spaces inside"),
    "id": _matching(ID.pattern, "an id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
    "uri": _URI,
    "url": _URI,
    "canonical": _URI,
    "oid": _matching(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "an OID as urn:oid:1.2.3"),
    "uuid": _matching(
        r"urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a UUID as urn:uuid:..."
    ),
    "date": _dated(f"{_DATE}|{_PARTIAL}", "a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _dated(
        f"{_DATE}(?:T{_TIME}{_ZONE})?|{_PARTIAL}",
        "a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    "instant": _dated(f"{_DATE}T{_TIME}{_ZONE}", "an instant: YYYY-MM-DDThh:mm:ss with a time zone"),
    "time": _matching(_TIME, "a time: hh:mm:ss"),
    "base64Binary": _base64,
    "xhtml": _xhtml,
}
