"""A running service as the systems of its facilities use it."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from referral.actions.add_client import add_client, generate_keys
from referral.cli.demo_system import token_form
from referral.store.pool import Store

_RENEW_AFTER = 200


class _Bearer(httpx.Auth):
    """Gets a token by a signed assertion, as an EHR does, and a new one before it expires."""

    def __init__(self, base_url: str, client_id: str, private_jwk: dict[str, Any]) -> None:
        self._endpoint = f"{base_url}/oauth/token"
        self._client_id, self._jwk = client_id, private_jwk
        self._token, self._at = "", 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._token or time.monotonic() - self._at > _RENEW_AFTER:
            answer = yield self._token_request()
            await answer.aread()
            answer.raise_for_status()
            self._token, self._at = answer.json()["access_token"], time.monotonic()
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def _token_request(self) -> httpx.Request:
        form = token_form(self._client_id, self._jwk, self._endpoint)
        return httpx.Request("POST", self._endpoint, data=form)


@dataclass(slots=True)
class RunningService:
    """One service on loopback. `system` gives the system of a facility, signed in."""

    base_url: str
    store: Store
    _systems: dict[tuple[str, str], httpx.AsyncClient] = field(default_factory=dict)

    @property
    def fhir(self) -> str:
        return f"{self.base_url}/fhir"

    async def system(self, facility: str, scope: str = "system/*.cruds") -> httpx.AsyncClient:
        """A client of this facility, whose addresses are relative to the FHIR base."""
        key = (facility, scope)
        if key not in self._systems:
            self._systems[key] = await self.new_system(facility, scope)
        return self._systems[key]

    async def new_system(self, facility: str, scope: str = "system/*.cruds") -> httpx.AsyncClient:
        """One that nobody else gets, so that its token may be taken away; the caller closes it."""
        private, public = generate_keys()
        client = await add_client(
            self.store,
            client_id=None,
            facility=facility,
            name=f"EHR of {facility}",
            scope=scope,
            jwks={"keys": [public]},
            now=datetime.now(UTC),
        )
        return httpx.AsyncClient(
            base_url=self.fhir + "/",
            auth=_Bearer(self.base_url, client.id, dict(private)),
            headers={"Content-Type": "application/fhir+json"},
            timeout=30,
        )

    def anonymous(self) -> httpx.AsyncClient:
        """Somebody without a token; the caller closes it."""
        return httpx.AsyncClient(base_url=self.base_url, timeout=30)

    async def close(self) -> None:
        """End all connections."""
        for client in self._systems.values():
            await client.aclose()
