"""Answers to writes, kept for 48 hours in the write's own transaction: what is sent again is answered again.

The table and its two functions stand in `migrations/versions/r0002_replay.sql`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral.domain.errors import BrokenRule
from referral.store.pool import Connection
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered with: the headers that belong to it alone, and the bytes of the body.

    replayed: whether it was given before.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """A write that is done once.

    key: SHA-256 of what makes another write the same one; request: that of method, target and body; both
    hexadecimal. at: now.
    """

    key: str
    request: str
    at: datetime

    def asked(self) -> dict[str, str]:
        """As the SQL functions take it."""
        return {"key": self.key, "request": self.request, "at": self.at.isoformat()}

    def kept(self, facility: str, answer: Answer) -> dict[str, Any]:
        """What `keep_replay` takes of a write of `facility`."""
        body = answer.body.decode()
        return {
            **self.asked(),
            "facility": facility,
            "answer": {"status": answer.status, "headers": answer.headers, "body": body},
        }

    def read(self, found: Mapping[str, Any]) -> Answer:
        """The answer that was kept. Raises BrokenRule when it answers another request under the same key."""
        if found["request"] != self.request:
            raise BrokenRule(
                "This Idempotency-Key was used for a request with another body or address: take a new key."
            )
        return Answer(found["status"], found["headers"], found["body"].encode(), replayed=True)


async def find_replay(connection: Connection, once: Once) -> Answer | None:
    """The answer that this write had before; waits for a twin that is under way. Raises BrokenRule."""
    found = await connection.fetchval(statement("replay", "find"), json.dumps(once.asked()))
    return None if found is None else once.read(json.loads(found))


async def lock_names(connection: Connection, names: Sequence[str]) -> None:
    """Let one transaction at a time go on with each of these names, until it ends."""
    await connection.execute(statement("replay", "lock"), names)
