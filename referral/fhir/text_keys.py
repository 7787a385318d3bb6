"""Texts as they are compared in a search: without case and marks, and short enough for a btree."""

import re
import unicodedata
from hashlib import sha256
from typing import Final

_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_KEY_BYTES: Final = 512


def fold(text: str) -> str:
    """Text without case, marks and superfluous space: `nguyen` equals `Nguyễn`, `dong` `Đông`."""
    if text.isascii():
        return " ".join(text.lower().split())
    bare = _without_marks(_without_marks(text).casefold())
    return " ".join(bare.replace("đ", "d").split())


def token_key(text: str) -> str:
    """The text itself, or its digest where it is too long for a btree. Equal texts, equal keys."""
    # No character has more than four bytes.
    if len(text) * 4 <= _KEY_BYTES:
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= _KEY_BYTES else f"sha256:{sha256(encoded).hexdigest()}"


def _without_marks(text: str) -> str:
    return _BEYOND_ASCII.sub(_unmarked, unicodedata.normalize("NFD", text))


def _unmarked(letter: re.Match[str]) -> str:
    return "" if unicodedata.category(letter[0]) == "Mn" else letter[0]
