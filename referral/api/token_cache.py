"""What a worker remembers of tokens, so that a burst of requests asks the store once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from referral.domain.actor import Actor

# Also how long a token of a client that was switched off may still work in this worker.
REMEMBERED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Entry:
    actor: Actor
    seen_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class TokenCache:
    """Actors by the sha256 of their token, for at most 5 seconds, at most `size` of them."""

    size: int = 10_000
    _entries: dict[bytes, _Entry] = field(default_factory=dict)

    def find(self, token_hash: bytes, now: datetime) -> Actor | None:
        """The actor, unless unknown, seen too long ago or expired; such an entry is dropped."""
        entry = self._entries.get(token_hash)
        if entry is None:
            return None
        # A clock set back must not prolong an entry, so its age has a lower bound too.
        if timedelta(0) <= now - entry.seen_at < REMEMBERED and now < entry.expires_at:
            return entry.actor
        del self._entries[token_hash]
        return None

    def keep(self, token_hash: bytes, actor: Actor, *, expires_at: datetime, now: datetime) -> None:
        """Remember an actor just found in the store; the oldest entry makes room."""
        self._entries.pop(token_hash, None)
        while len(self._entries) >= self.size:
            del self._entries[next(iter(self._entries))]
        self._entries[token_hash] = _Entry(actor, now, expires_at)

    def __len__(self) -> int:
        return len(self._entries)
