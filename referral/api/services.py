"""What every route works with, given once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from referral.api.token_cache import TokenCache
from referral.store.pool import Store


@dataclass(frozen=True, slots=True)
class Services:
    """`app.state.services`. `base_url` has no slash at its end; `now` gives the time with its zone."""

    store: Store
    base_url: str
    now: Callable[[], datetime]
    tokens: TokenCache = field(default_factory=TokenCache)
