"""Pages of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from referral.app import create_app, make_services
from tests.running_service import RunningService

APP = "https://app.example"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization, content-type, if-match, prefer, x-request-id",
}


@asynccontextmanager
async def allowing(service: RunningService, origins: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    """The service for pages of these origins."""
    app = create_app(make_services(service.store, "http://hub.example"), cors_origins=origins)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.example/fhir/") as client:
        yield client


async def test_a_page_of_an_allowed_origin_may_ask(service: RunningService) -> None:
    async with allowing(service, [APP]) as client:
        asked = await client.options("Patient/1", headers=PREFLIGHT)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == APP
        assert {"PUT", "PATCH", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
        assert "If-Match" in asked.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in asked.headers
        answer = await client.get("metadata", headers={"Origin": APP})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, APP)
        assert "ETag" in answer.headers["access-control-expose-headers"]
        # A refusal is to be read by the page, too.
        refused = await client.get("Patient/1", headers={"Origin": APP})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP)


async def test_a_page_of_another_origin_may_not(service: RunningService) -> None:
    async with allowing(service, [APP]) as client:
        for origin in ("https://evil.example", "null", "https://app.example.evil"):
            asked = await client.options("Patient/1", headers=PREFLIGHT | {"Origin": origin})
            assert asked.status_code == 400
            answer = await client.get("metadata", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
        other = PREFLIGHT | {"Access-Control-Request-Headers": "x-banana"}
        assert (await client.options("Patient/1", headers=other)).status_code == 400


async def test_all_may_where_all_are_allowed(service: RunningService) -> None:
    async with allowing(service, ["*"]) as client:
        answer = await client.get("metadata", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", [APP, "null"])
async def test_without_the_setting_nobody_may(service: RunningService, origin: str) -> None:
    async with service.anonymous() as client:
        answer = await client.get("/fhir/metadata", headers={"Origin": origin})
        asked = await client.options("/fhir/Patient/1", headers=PREFLIGHT | {"Origin": origin})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]
