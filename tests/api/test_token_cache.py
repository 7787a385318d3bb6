"""What a worker remembers of tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from referral.api.token_cache import TokenCache
from referral.domain.actor import Actor
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
ACTOR = Actor(FacilityId("station-1"), "ehr-1", read_scopes("system/*.rs"))


def kept(expires_in: float = 300, size: int = 10) -> TokenCache:
    cache = TokenCache(size)
    cache.keep(b"token", ACTOR, expires_at=NOW + timedelta(seconds=expires_in), now=NOW)
    return cache


@pytest.mark.parametrize(
    ("seconds", "expires_in", "known"),
    [
        (0, 300, True),
        (4.999, 300, True),
        (5, 300, False),
        (1.9, 2, True),
        (2, 2, False),
        (-0.001, 300, False),  # a clock set back
    ],
)
def test_an_actor_is_known_for_5_seconds_of_a_valid_token(
    seconds: float, expires_in: float, known: bool
) -> None:
    cache = kept(expires_in)
    assert cache.find(b"token", NOW + timedelta(seconds=seconds)) == (ACTOR if known else None)
    assert len(cache) == known


def test_another_token_is_not_known() -> None:
    assert kept().find(b"other", NOW) is None


def test_the_oldest_makes_room() -> None:
    cache = kept(size=2)
    expires_at = NOW + timedelta(seconds=300)
    cache.keep(b"second", ACTOR, expires_at=expires_at, now=NOW)
    cache.keep(b"token", ACTOR, expires_at=expires_at, now=NOW)  # seen again: now the newest
    cache.keep(b"third", ACTOR, expires_at=expires_at, now=NOW)
    found = [name for name in (b"token", b"second", b"third") if cache.find(name, NOW)]
    assert found == [b"token", b"third"]
    assert len(cache) == 2
