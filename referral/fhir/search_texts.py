"""The texts of search values: alternatives, parts and escapes. https://hl7.org/fhir/R4/search.html#escaping"""

import re
from typing import Final

PREFIX: Final = re.compile(r"[a-zA-Z]{2}")
"""What may stand before a date or a number."""

_MAX_ALTERNATIVES: Final = 500
_MAX_LENGTH: Final = 1000
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


class ParameterError(Exception):
    """What is wrong with one pair of a search, without its value."""


def alternatives_of(value: str) -> list[str]:
    """The parts between unescaped commas, still escaped. Raises ParameterError for too many or empty ones."""
    parts = split(value, ",")
    if len(parts) > _MAX_ALTERNATIVES:
        raise ParameterError(f"at most {_MAX_ALTERNATIVES} values are taken.")
    if not all(part.strip() for part in parts):
        raise ParameterError("one of the values is empty.")
    if any(len(part) > _MAX_LENGTH for part in parts):
        raise ParameterError(f"a value may have {_MAX_LENGTH} characters.")
    return parts


def split(text: str, separator: str) -> list[str]:
    """The parts between unescaped separators, still escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, escaped = [], 0, False
    for position, character in enumerate(text):
        if character == separator and not escaped:
            parts.append(text[start:position])
            start = position + 1
        escaped = character == "\\" and not escaped
    return [*parts, text[start:]]


def unescaped(text: str) -> str:
    """Without the backslashes. Raises ParameterError for one that escapes nothing."""
    return _ESCAPE.sub(_escaped_character, text)


def _escaped_character(match: re.Match[str]) -> str:
    if match[1] not in (",", "|", "$", "\\"):
        raise ParameterError(r"a backslash stands only before , | $ or another backslash.")
    return match[1]
