"""What may be attached: how much, and of what kind."""

import re
from dataclasses import dataclass
from typing import Final

from referral.domain.errors import BrokenRule, TooLarge, WrongMediaType

MEBIBYTE: Final = 1024 * 1024

LARGEST_INLINE: Final = 256 * 1024
"""Bytes of an attachment inside another resource; what is larger is a Binary of its own."""

# No HTML and no SVG: a browser would run what stands in them.
MEDIA_TYPES: Final = frozenset(
    {
        "application/dicom",
        "application/pdf",
        "application/xml",
        "audio/mpeg",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "text/csv",
        "text/plain",
        "text/xml",
        "video/mp4",
    }
)

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(
    rf'({_NAME}/{_NAME})((?: ?; ?{_NAME}=(?:{_NAME}|"[A-Za-z0-9 !#$&^_.+:/=-]{{0,126}}")){{0,8}})'
)


def is_media_type(text: str) -> bool:
    """Whether it is a media type without parameters, such as `image/png`."""
    found = _MEDIA_TYPE.fullmatch(text)
    return found is not None and not found[2]


@dataclass(frozen=True, slots=True)
class AttachmentRules:
    """largest: bytes of one Binary. media_types: those that are taken, in lower case."""

    largest: int = 20 * MEBIBYTE
    media_types: frozenset[str] = MEDIA_TYPES

    def check_media_type(self, text: str, expression: str | None = None) -> None:
        """Raises WrongMediaType for what is no media type, or not one that is taken."""
        found = _MEDIA_TYPE.fullmatch(text)
        if found is None or found[1].lower() not in self.media_types:
            taken = ", ".join(sorted(self.media_types))
            raise WrongMediaType(f"The media type of an attachment here is one of: {taken}.", expression)

    def check_size(self, size: int, expression: str | None = None) -> None:
        """Raises TooLarge, and BrokenRule for nothing at all."""
        if size > self.largest:
            raise TooLarge(f"An attachment has at most {self.largest} bytes here.", expression)
        if size == 0:
            raise BrokenRule("An attachment without content says nothing.", expression)
