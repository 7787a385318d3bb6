"""The EHR of one demo facility: it knows FHIR and its own key, and nothing of how the service is made.

Tokens as in https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

import json
import secrets
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

Resource = dict[str, Any]

_ASSERTION_SECONDS = 240
_SPARE_SECONDS = 30  # a token is not used up to its last moment
_FHIR_JSON = "application/fhir+json"
_NOT_FOUND = 404


class Credential(TypedDict):
    """How the system of one facility signs in; `facility` is the id of its Organization."""

    client_id: str
    facility: str
    name: str
    tier: str
    scope: str
    private_jwk: dict[str, Any]


class Credentials(TypedDict):
    """What demo-credentials.json holds. `people` is for those who sign in to pages."""

    fhir_base: str
    token_endpoint: str
    systems: list[Credential]
    people: list[dict[str, Any]]


class WrongAnswer(Exception):
    """The service answered otherwise than it should; says what was asked and what came."""


class System:
    """One facility's system. Its methods raise WrongAnswer, or httpx.HTTPError where nothing answers."""

    def __init__(self, http: httpx.AsyncClient, credential: Credential, token_endpoint: str) -> None:
        """`http` has the service's address; `token_endpoint` is the audience of the assertions."""
        self.facility = credential["facility"]
        self.name = f"{credential['name']} ({credential['tier']})"
        self._http = http
        self._credential = credential
        self._audience = token_endpoint
        self._token = ""
        self._token_ends = 0.0

    @property
    def itself(self) -> dict[str, str]:
        """A Reference to the facility."""
        return {"reference": f"Organization/{self.facility}"}

    async def create(self, resource: Resource) -> Resource:
        """POST it; the stored resource."""
        return await self._ask("POST", f"/fhir/{resource['resourceType']}", 201, resource)

    async def transaction(self, *resources: tuple[str, Resource]) -> list[Resource]:
        """POST all of them as one transaction, each under the urn that others name it by; the stored ones."""
        entries = [
            {"fullUrl": urn, "resource": made, "request": {"method": "POST", "url": made["resourceType"]}}
            for urn, made in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await self._ask("POST", "/fhir", 200, bundle)
        stored = []
        for entry in answer["entry"]:
            path = entry["response"]["location"].partition("/_history/")[0]
            stored.append(await self.read(*path.split("/")[-2:]))
        return stored

    async def read(self, resource_type: str, resource_id: str) -> Resource:
        """GET it."""
        return await self._ask("GET", f"/fhir/{resource_type}/{resource_id}", 200)

    async def may_not_read(self, resource: Resource) -> None:
        """See that the service answers as if there were no such resource."""
        await self._ask("GET", f"/fhir/{resource['resourceType']}/{resource['id']}", _NOT_FOUND)

    async def update(self, resource: Resource) -> Resource:
        """PUT it as a change of the version that it was read as; the stored resource."""
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        return await self._ask(
            "PUT", path, 200, resource, {"If-Match": f'W/"{resource["meta"]["versionId"]}"'}
        )

    async def search(self, resource_type: str, **parameters: str) -> list[Resource]:
        """The resources of the first page, matches and included ones."""
        query = httpx.QueryParams(parameters)
        answer = await self._ask("GET", f"/fhir/{resource_type}?{query}", 200)
        return [entry["resource"] for entry in answer.get("entry", ())]

    async def suggestions(self, referral: Resource) -> Resource:
        """Parameters of $suggest-targets, with what was ruled out."""
        asked = {"resourceType": "Parameters", "parameter": [{"name": "excluded", "valueBoolean": True}]}
        return await self._ask("POST", f"/fhir/ServiceRequest/{referral['id']}/$suggest-targets", 200, asked)

    async def _ask(
        self,
        method: str,
        path: str,
        wanted: int,
        body: Resource | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Resource:
        given = {"Authorization": f"Bearer {await self._bearer()}", "Accept": _FHIR_JSON, **(headers or {})}
        if body is not None:
            given["Content-Type"] = _FHIR_JSON
        content = None if body is None else json.dumps(body)
        answer = await self._http.request(method, path, content=content, headers=given)
        if answer.status_code != wanted:
            raise WrongAnswer(f"{method} {path} by {self.name}: {_unexpected(answer, wanted)}")
        found: Resource = json.loads(answer.content, parse_float=Decimal)
        return found

    async def _bearer(self) -> str:
        if time.monotonic() < self._token_ends - _SPARE_SECONDS:
            return self._token
        jwk, scope = self._credential["private_jwk"], self._credential["scope"]
        form = token_form(self._credential["client_id"], jwk, self._audience, scope=scope)
        answer = await self._http.post("/oauth/token", data=form)
        if answer.status_code != 200:
            raise WrongAnswer(f"a token for {self.name}: {_unexpected(answer, 200)}")
        issued = answer.json()
        self._token, self._token_ends = issued["access_token"], time.monotonic() + issued["expires_in"]
        return self._token


def token_form(
    client_id: str, private_jwk: Mapping[str, Any], audience: str, *, scope: str = "system/*.cruds"
) -> dict[str, str]:
    """What a system sends to the token endpoint, with an assertion that it signs now.

    private_jwk: an EC key on P-384 with its `kid`. audience: the address of the token endpoint.
    """
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "exp": int(time.time()) + _ASSERTION_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    header = {"alg": "ES384", "typ": "JWT", "kid": private_jwk["kid"]}
    return {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(
            header, claims, ECKey.import_key(dict(private_jwk)), algorithms=["ES384"]
        ),
    }


def _unexpected(answer: httpx.Response, wanted: int) -> str:
    """What came instead, in the words of the service where it has some."""
    try:
        body = answer.json()
        said = [
            issue.get("diagnostics") or issue.get("details", {}).get("text", "")
            for issue in body.get("issue", ())
        ] or [body.get("error_description", "")]
    except (ValueError, AttributeError):
        said = []
    return f"HTTP {answer.status_code}, not {wanted}. {' '.join(said)}".rstrip()
