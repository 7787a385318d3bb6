"""A Communication: https://hl7.org/fhir/R4/communication.html"""

from collections.abc import Mapping
from typing import Any, Final

_SAID: Final = frozenset({"in-progress", "completed"})


def is_said(content: Mapping[str, Any]) -> bool:
    """Whether it has been said: neither in preparation nor on hold, not left undone, no error."""
    return content.get("status") in _SAID


def words_of(content: Mapping[str, Any]) -> str:
    """What it says, a line for each part; empty where it only brings something."""
    texts = (str(part.get("contentString", "")).strip() for part in content.get("payload", ()))
    return "\n".join(text for text in texts if text)
