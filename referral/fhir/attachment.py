"""Attachments that stand in a Binary of their own. https://hl7.org/fhir/R4/datatypes.html#Attachment"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from referral.fhir.search_index import reference_target

BINARY: Final = "Binary"

ATTACHED_AT: Final[Mapping[str, tuple[str, ...]]] = {
    "Communication": ("payload", "contentAttachment"),
    "Consent": ("sourceAttachment",),
    "DiagnosticReport": ("presentedForm",),
    "DocumentReference": ("content", "attachment"),
    "Patient": ("photo",),
    "RelatedPerson": ("photo",),
}
"""By type the elements that lead to its attachments. Who sees such a resource sees what is attached to it."""

PHOTOGRAPHED: Final = frozenset({"Patient", "RelatedPerson"})
"""Types that are the same without their attachments: these need not be there."""


def attached(
    resource_type: str, content: Mapping[str, Any], base: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The attachments whose url is a Binary of this service: its path, the id of the Binary, itself."""
    for path, attachment in _below(content, ATTACHED_AT.get(resource_type, ())):
        target = reference_target(str(attachment.get("url", "")), base)
        if target is not None and target[0] == BINARY:
            yield path, target[1], attachment


def _below(value: Any, names: tuple[str, ...], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, list):
        for position, one in enumerate(value):
            yield from _below(one, names, f"{path}[{position}]")
    elif names:
        if isinstance(value, dict) and names[0] in value:
            yield from _below(value[names[0]], names[1:], f"{path}.{names[0]}".lstrip("."))
    elif path and isinstance(value, dict):
        yield path, value
