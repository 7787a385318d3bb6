"""Register a system of a facility by its public keys.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import re
import secrets
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey

from referral.domain.actor import Client
from referral.domain.errors import BrokenRule, Duplicate
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.store import client as client_store
from referral.store.pool import Store

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._~:/-]{1,128}")

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEPT_MEMBERS: Final = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e")
_CURVE: Final = "P-384"
# Below 2048 bits RSA is weak; above 4096 one signature costs a worker more than it should.
_RSA_BITS: Final = range(2048, 4097)
_MOST_KEYS: Final = 20


async def add_client(
    store: Store,
    *,
    client_id: str | None,
    facility: FacilityId,
    name: str,
    scope: str,
    jwks: Mapping[str, object],
    now: datetime,
) -> Client:
    """Register a client of `facility` (or of the office of a network: the network's id).

    `client_id` None: one is made. `scope`: SMART system scopes, separated by spaces. `jwks`: a JWK Set
    (RFC 7517) of public keys, EC P-384 or RSA of 2048 to 4096 bits, each with its own `kid`.
    Raises BrokenRule for an unknown facility, a bad id, name, scope or key; Duplicate for a taken id.
    """
    chosen = client_id if client_id is not None else secrets.token_urlsafe(12)
    if CLIENT_ID.fullmatch(chosen) is None:
        raise BrokenRule("A client id has 1 to 128 characters: letters A-Z, digits and . _ ~ : / -")
    if not name.strip() or not name.isprintable():
        raise BrokenRule("A client needs a name of printable characters.")
    client = Client(
        id=chosen,
        facility=facility,
        name=name.strip(),
        scope=read_scopes(scope),
        keys=public_keys(jwks),
        active=True,
        created_at=now,
    )
    async with store.writing(None) as connection:
        if "\0" in facility or not await client_store.known_facility(connection, facility):
            raise BrokenRule(f"There is no facility {facility!r}.")
        if not await client_store.add_client(connection, client):
            raise Duplicate(f"There is a client {chosen} already.")
    return client


async def list_clients(store: Store) -> tuple[Client, ...]:
    """All registered clients by facility and id."""
    async with store.reading(None) as connection:
        return await client_store.list_clients(connection)


def generate_keys() -> tuple[dict[str, object], dict[str, object]]:
    """A new key pair for ES384 as JWKs of one `kid`: the private one for the client, the public for us."""
    key = ECKey.generate_key(_CURVE, {"alg": "ES384", "use": "sig"}, auto_kid=True)
    return dict(key.as_dict(private=True)), dict(key.as_dict(private=False))


def public_keys(jwks: Mapping[str, object]) -> tuple[dict[str, str], ...]:
    """The keys of a JWK Set reduced to what verifying needs.

    Raises BrokenRule saying which key is wrong, never what is in it.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise BrokenRule(f'A JWK Set is {{"keys": [...]}} with 1 to {_MOST_KEYS} keys.')
    kept = [_public_key(f"Key {number}", key) for number, key in enumerate(keys, start=1)]
    if len({key["kid"] for key in kept}) < len(kept):
        raise BrokenRule("Two keys have the same kid.")
    return tuple(kept)


def _public_key(where: str, jwk: object) -> dict[str, str]:
    if not isinstance(jwk, Mapping):
        raise BrokenRule(f"{where} is not a JSON object.")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise BrokenRule(
            f"{where} is a private key: register the public key only, and treat this one as leaked."
        )
    kept = {name: jwk[name] for name in _KEPT_MEMBERS if name in jwk}
    if not all(isinstance(value, str) and value.isprintable() for value in kept.values()):
        raise BrokenRule(f"{where} has a member that is not printable text.")
    if not kept.get("kid"):
        raise BrokenRule(f"{where} has no kid.")
    if kept.get("use", "sig") != "sig":
        raise BrokenRule(f"{where} is not for signatures.")
    match kept.get("kty"):
        case "EC":
            _check_ec(where, kept)
        case "RSA":
            _check_rsa(where, kept)
        case _:
            raise BrokenRule(f"{where} is neither EC nor RSA.")
    return kept


def _check_ec(where: str, jwk: dict[str, str]) -> None:
    if jwk.get("crv") != _CURVE or jwk.get("alg", "ES384") != "ES384":
        raise BrokenRule(f"{where} is not for ES384 with {_CURVE}.")
    try:
        ECKey.import_key(dict(jwk))
    except (JoseError, ValueError, TypeError) as failure:
        raise BrokenRule(f"{where} is no point of {_CURVE}.") from failure


def _check_rsa(where: str, jwk: dict[str, str]) -> None:
    if jwk.get("alg", "RS384") != "RS384":
        raise BrokenRule(f"{where} is not for RS384.")
    try:
        with warnings.catch_warnings():
            # A short key is refused below; joserfc only warns of it.
            warnings.simplefilter("ignore", SecurityWarning)
            bits = RSAKey.import_key(dict(jwk)).public_key.key_size
    except (JoseError, ValueError, TypeError) as failure:
        raise BrokenRule(f"{where} is no RSA public key.") from failure
    if bits not in _RSA_BITS:
        raise BrokenRule(f"{where} has {bits} bits: 2048 to 4096 are taken.")
