"""Ids that the hub gives: UUIDv7 (RFC 9562, section 5.7), so that an index grows at its end."""

from datetime import datetime
from secrets import token_bytes

_LAST_62 = (1 << 62) - 1


def new_id(now: datetime) -> str:
    """A new id for something made at `now`."""
    milliseconds = int(now.timestamp() * 1000)
    chance = int.from_bytes(token_bytes(10))
    digits = f"{milliseconds:012x}{(0x7 << 12) | (chance >> 68):04x}{(0x2 << 62) | (chance & _LAST_62):016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
