"""Issue an access token for a signed assertion.

https://hl7.org/fhir/smart-app-launch/backend-services.html
https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn

from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from referral.domain.actor import Actor, Client
from referral.domain.scope import Scopes, understood_scopes
from referral.store import client as client_store
from referral.store.pool import Store

ALGORITHMS: Final = ("ES384", "RS384")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT_TYPE: Final = "client_credentials"
TOKEN_LIFE: Final = timedelta(seconds=300)

_LONGEST_ASSERTION: Final = 16_384
_LONGEST_ID: Final = 255
# SMART: an assertion ends at most five minutes ahead. Clocks of two machines differ a little.
_ASSERTION_LIFE: Final = timedelta(minutes=5)
_LEEWAY: Final = timedelta(seconds=30)
# A clock that was ahead by so much, and is set right, makes no assertion good again that was used meanwhile.
_CLOCK_ERROR: Final = timedelta(days=1)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")

_REGISTRY: Final = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


class OAuthErrorCode(StrEnum):
    """https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"


class OAuthError(Exception):
    """No token is issued. `description` says why in ASCII and quotes nothing that was sent.

    claimed_client: who the assertion says it is, which is not proven.
    """

    def __init__(self, code: OAuthErrorCode, description: str) -> None:
        self.code = code
        self.description = description
        self.claimed_client: str | None = None
        super().__init__(f"{code}: {description}")


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The token itself leaves with the answer; the store keeps its hash only."""

    access_token: str
    scope: Scopes
    life: timedelta


@dataclass(frozen=True, slots=True)
class _Assertion:
    """The claims of an assertion whose signature is still to be checked."""

    text: str
    client: str
    key_id: str
    id: str
    expires_at: datetime


async def issue_token(
    store: Store,
    parameters: Mapping[str, str],
    *,
    token_endpoint: str,
    now: datetime,
    request_id: str | None = None,
    address: str | None = None,
) -> IssuedToken:
    """Issue a token of 300 s for the form parameters of a token request.

    `token_endpoint` is the URL that the assertion must name as its audience. `address`: whence it is asked.
    Raises OAuthError.
    """
    _check_grant(parameters)
    assertion = _read_assertion(parameters["client_assertion"], token_endpoint, now)
    with _claimed_by(assertion.client):
        if parameters.get("client_id", assertion.client) != assertion.client:
            _refuse("client_id is not the issuer of the assertion.")
        token = secrets.token_urlsafe(32)
        # Nobody acts yet: until its signature is checked, a client is not its facility.
        async with store.writing(None) as connection:
            client = await client_store.find_client(connection, assertion.client)
            if client is None or not client.active or not _signed_by(client, assertion):
                _refuse("The assertion is not signed by a key of an active registered client.")
            scope = _granted(client, parameters.get("scope", ""))
            fresh = await client_store.issue_token(
                connection,
                Actor(client.facility, client.id, scope),
                token_hash=hash_of(token),
                issued_at=now,
                expires_at=now + TOKEN_LIFE,
                assertion_id=assertion.id,
                assertion_ends_at=assertion.expires_at + _LEEWAY + _CLOCK_ERROR,
                request_id=request_id,
                address=address,
            )
            if not fresh:
                _refuse("The assertion was used before: each needs a jti of its own.")
    return IssuedToken(token, scope, TOKEN_LIFE)


@contextmanager
def _claimed_by(client: str) -> Iterator[None]:
    """Name the client in its refusals."""
    try:
        yield
    except OAuthError as refusal:
        refusal.claimed_client = client
        raise


def hash_of(token: str) -> bytes:
    """What the store keeps of a token. A token is 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _refuse(description: str) -> NoReturn:
    raise OAuthError(OAuthErrorCode.INVALID_CLIENT, description)


def _check_grant(parameters: Mapping[str, str]) -> None:
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise OAuthError(OAuthErrorCode.INVALID_REQUEST, "grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise OAuthError(OAuthErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be {GRANT_TYPE}.")
    if parameters.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in parameters:
        _refuse(f"A client proves itself by client_assertion of client_assertion_type {ASSERTION_TYPE}.")


def _read_assertion(text: str, token_endpoint: str, now: datetime) -> _Assertion:
    segments = text.split(".")
    if len(text) > _LONGEST_ASSERTION or len(segments) != 3:
        _refuse("The assertion is not a signed JWT of reasonable size.")
    header, claims = _json_object(segments[0], "header"), _json_object(segments[1], "payload")
    key_id = _check_header(header)
    client, assertion_id = claims.get("iss"), claims.get("jti")
    if not isinstance(client, str) or _VISIBLE.fullmatch(client) is None or claims.get("sub") != client:
        _refuse("iss and sub must both be the client id.")
    if (
        not isinstance(assertion_id, str)
        or not 1 <= len(assertion_id) <= _LONGEST_ID
        or not assertion_id.isprintable()
    ):
        _refuse(f"jti must be a text of 1 to {_LONGEST_ID} printable characters.")
    audience = claims.get("aud")
    if token_endpoint not in (audience if isinstance(audience, list) else [audience]):
        _refuse("aud must be the URL of the token endpoint.")
    return _Assertion(text, client, key_id, assertion_id, _check_times(claims, now))


def _json_object(segment: str, where: str) -> dict[str, object]:
    try:
        found = json.loads(urlsafe_b64decode(segment.encode()))
    except (ValueError, RecursionError) as failure:
        raise OAuthError(
            OAuthErrorCode.INVALID_CLIENT, f"The {where} of the assertion is not readable."
        ) from failure
    if not isinstance(found, dict):
        _refuse(f"The {where} of the assertion is not a JSON object.")
    return found


def _check_header(header: Mapping[str, object]) -> str:
    if header.get("alg") not in ALGORITHMS:
        _refuse(f"alg must be one of {', '.join(ALGORITHMS)}.")
    # No extension is understood, so none may be critical; b64 changes what is signed.
    if "crit" in header or "b64" in header:
        _refuse("crit and b64 are not supported in the header of the assertion.")
    if "jku" in header:
        _refuse(
            "jku must be the registered URL of the keys, and keys are registered here by value: leave it out."
        )
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        _refuse("kid must name the key in the header of the assertion.")
    return key_id


def _check_times(claims: Mapping[str, object], now: datetime) -> datetime:
    """When the assertion expires, by its own claim."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        _refuse("exp is missing.")
    if expires_at + _LEEWAY <= now:
        _refuse("The assertion has expired.")
    if expires_at > now + _ASSERTION_LIFE + _LEEWAY:
        _refuse("exp must be at most five minutes ahead.")
    for name in ("nbf", "iat"):
        begins_at = _time(claims, name)
        if begins_at is not None and begins_at > now + _LEEWAY:
            _refuse(f"{name} is in the future.")
    return expires_at


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    seconds = claims.get(name)
    if seconds is None:
        return None
    # The bounds also keep out NaN, infinity and years that a date cannot hold.
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 2**37:
        _refuse(f"{name} must be a number of seconds since 1970.")
    return datetime.fromtimestamp(seconds, UTC)


def _signed_by(client: Client, assertion: _Assertion) -> bool:
    wanted = [key for key in client.keys if key["kid"] == assertion.key_id]
    if not wanted:
        return False
    try:
        jws.deserialize_compact(assertion.text, jwk.import_key(dict(wanted[0])), registry=_REGISTRY)
    except JoseError:
        return False
    return True


def _granted(client: Client, asked: str) -> Scopes:
    scope = understood_scopes(asked).within(client.scope) if asked.strip() else client.scope
    if not scope:
        raise OAuthError(
            OAuthErrorCode.INVALID_SCOPE, "None of the scopes asked for is registered for this client."
        )
    return scope
