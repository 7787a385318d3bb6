"""Who acts: a client, bound to one facility, within its scopes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from referral.domain.facility import FacilityId
from referral.domain.scope import Scopes


@dataclass(frozen=True, slots=True)
class Actor:
    """The holder of a valid token: all it does is done by its facility."""

    facility: FacilityId
    client: str
    scope: Scopes


@dataclass(frozen=True, slots=True)
class Client:
    """A registered system of one facility. `keys` are public JWKs, each with its own `kid`."""

    id: str
    facility: FacilityId
    name: str
    scope: Scopes
    keys: tuple[Mapping[str, str], ...]
    active: bool
    created_at: datetime
