"""A Communication: https://hl7.org/fhir/R4/communication.html"""

from collections.abc import Mapping
from typing import Any, Final

_SAID: Final = frozenset({"in-progress", "completed"})


def is_said(content: Mapping[str, Any]) -> bool:
    """Whether it has been said: neither in preparation nor on hold, not left undone, no error."""
    return content.get("status") in _SAID
