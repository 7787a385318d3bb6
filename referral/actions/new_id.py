"""Ids that the hub gives: UUIDv7 (RFC 9562, section 5.7), so that an index grows at its end."""

import secrets
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> str:
    """A new id for something made at `now`."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(UUID(int=value))
