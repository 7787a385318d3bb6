"""Ids that stand for running numbers and tell nothing of them.

Who saw the numbers themselves would know from two of them how much all others did in between. A Feistel
network of four rounds, which nobody tells from a random permutation without the key (Luby and Rackoff, SIAM
J. Comput. 17, 1988, https://doi.org/10.1137/0217022): nothing is stored, and no two numbers have one id.
"""

import re
from hashlib import blake2b
from typing import Final

AUDIT_ROW: Final = b"audit"
MOVE: Final = b"move"
PLACE: Final = b"place"
"""What is numbered: equal numbers of two kinds have different ids."""

_ROUNDS: Final = range(4)
_HALF: Final = 0xFFFF_FFFF
_ID: Final = re.compile(r"[0-9a-f]{16}")
_LAST: Final = 2**63 - 1


def opaque_id(key: bytes, kind: bytes, number: int) -> str:
    """The id of a number from 1 to 2^63 - 1: 16 hexadecimal digits. key: a secret of 32 bytes."""
    left, right = number >> 32, number & _HALF
    for turn in _ROUNDS:
        left, right = right, left ^ _mixed(key, kind, turn, right)
    return f"{left:08x}{right:08x}"


def number_behind(key: bytes, kind: bytes, text: str) -> int | None:
    """The number that an id stands for; None for an id that none has."""
    if not _ID.fullmatch(text):
        return None
    left, right = int(text[:8], 16), int(text[8:], 16)
    for turn in reversed(_ROUNDS):
        left, right = right ^ _mixed(key, kind, turn, left), left
    number = left << 32 | right
    return number if 0 < number <= _LAST else None


def _mixed(key: bytes, kind: bytes, turn: int, half: int) -> int:
    mixed = blake2b(half.to_bytes(4), digest_size=4, key=key, person=kind, salt=bytes([turn]))
    return int.from_bytes(mixed.digest())
