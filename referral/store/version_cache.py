"""What a process remembers of documents: versions, which never change, by what names them for ever.

It knows nothing of who may see what. The database says in each request, with the eyes of its actor, which
versions there are to be shown; only what it has just named is looked up here, and only what it gave is kept.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from referral.domain.attachment import MEBIBYTE

_BESIDE: Final = 400
"""Bytes that a version takes beside what is kept of it: the key, two objects, a place in the table."""

_LARGEST_SHARE: Final = 64
"""What is larger than such a part of all is not kept: it would push out all too many others."""


@dataclass(slots=True)
class VersionCache:
    """Versions by their keys, at most so many bytes; the one that was asked for longest ago goes.

    found, missed: look-ups until now.
    """

    most_bytes: int = 32 * MEBIBYTE
    held_bytes: int = 0
    found: int = 0
    missed: int = 0
    _kept: OrderedDict[str, bytes] = field(default_factory=OrderedDict)

    def find(self, keys: Iterable[str]) -> tuple[dict[str, bytes], list[str]]:
        """Of versions that the database has just named those that are remembered, and the other keys."""
        kept, found, unknown = self._kept, {}, []
        for key in keys:
            if key in kept:
                found[key] = kept[key]
                kept.move_to_end(key)
            else:
                unknown.append(key)
        self.found += len(found)
        self.missed += len(unknown)
        return found, unknown

    def keep(self, key: str, version: bytes) -> None:
        """Remember what the database gave."""
        size = len(version) + _BESIDE
        if key in self._kept or size > self.most_bytes // _LARGEST_SHARE:
            return
        self._kept[key] = version
        self.held_bytes += size
        while self.held_bytes > self.most_bytes:
            _, gone = self._kept.popitem(last=False)
            self.held_bytes -= len(gone) + _BESIDE
