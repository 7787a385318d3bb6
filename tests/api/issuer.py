"""The token endpoint over HTTP, and what its tests need to speak with it."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from referral.actions.add_client import add_client, generate_keys
from referral.api import smart_configuration, token
from referral.api.actor import current_actor
from referral.domain.errors import NotSignedIn
from referral.domain.facility import FacilityId
from referral.store.pool import Store
from tests.owner import behind_the_wall

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EC_KEY = ECKey.import_key(generate_keys()[0])  # type: ignore[arg-type]
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa"})
OTHER_CLIENT_KEY = ECKey.generate_key("P-384", {"kid": "other"})


@dataclass
class Clock:
    time: datetime = START

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Issuer:
    """The service over HTTP, and what a test needs to speak with it."""

    http: httpx.AsyncClient
    base_url: str
    store: Store
    clock: Clock = field(default_factory=Clock)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims of client ehr-1; a change to None leaves a claim out."""
        good = {
            "iss": "ehr-1",
            "sub": "ehr-1",
            "aud": self.base_url + "/oauth/token",
            "exp": int(self.clock.time.timestamp()) + 300,
            "jti": secrets.token_hex(8),
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def signed(self, key: Key = EC_KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """An assertion signed by `key`."""
        algorithm = "RS384" if key.key_type == "RSA" else "ES384"
        full = {"typ": "JWT", "alg": algorithm, "kid": key.kid, **(header or {})}
        registry = jws.JWSRegistry(algorithms=["ES384", "RS384", "RS256"], strict_check_header=False)
        return jws.serialize_compact(full, json.dumps(self.claims(**changes)), key, registry=registry)

    def form(self, assertion: str | None = None, **changes: str | None) -> dict[str, str]:
        """Good parameters of a token request; a change to None leaves one out."""
        good = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.signed(),
            "scope": "system/*.cruds",
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    async def ask(self, assertion: str | None = None, **changes: str | None) -> httpx.Response:
        return await self.http.post("/oauth/token", data=self.form(assertion, **changes))

    async def token(self) -> str:
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def who_am_i(self, *authorization: str) -> httpx.Response:
        return await self.http.get("/who-am-i", headers=[("Authorization", value) for value in authorization])

    async def count(self, table: str) -> int:
        async with behind_the_wall(self.store) as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


def application() -> Starlette:
    async def who_am_i(request: Request) -> JSONResponse:
        actor = await current_actor(request)
        return JSONResponse({"facility": actor.facility, "client": actor.client, "scope": str(actor.scope)})

    async def not_signed_in(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"text": str(error)}, 401)

    routes = [*token.routes, *smart_configuration.routes, Route("/who-am-i", who_am_i)]
    return Starlette(routes=routes, exception_handlers={NotSignedIn: not_signed_in})


@dataclass
class IssuerServer:
    app: Starlette
    base_url: str


async def register(store: Store, client_id: str, facility: str, scope: str, *keys: Key) -> None:
    await add_client(
        store,
        client_id=client_id,
        facility=FacilityId(facility),
        name=client_id,
        scope=scope,
        jwks={"keys": [key.as_dict(private=False) for key in keys]},
        now=START,
    )


def segment(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assert_oauth_error(answer: httpx.Response, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    assert ("www-authenticate" in answer.headers) == (status == 401)
    # https://www.rfc-editor.org/rfc/rfc6749#section-5.2 fixes the characters
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in body["error_description"])


async def nothing_issued(issuer: Issuer) -> None:
    assert await issuer.count("access_token") == 0
    assert await issuer.count("assertion_id") == 0
    assert await issuer.count("audit WHERE action = 'token'") == 0
