"""Fixtures of the tests over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from referral.api.services import Services
from referral.store.pool import Store
from tests.api.issuer import (
    EC_KEY,
    OTHER_CLIENT_KEY,
    RSA_KEY,
    Clock,
    Issuer,
    IssuerServer,
    application,
    register,
)
from tests.api.refusals import rows
from tests.api.scenes import EXPECTED, Scene, scene_in
from tests.api.viewers import Viewers, viewers_of
from tests.conftest import listen
from tests.factories import LE_CHAN, created, patient
from tests.running_service import RunningService


@pytest.fixture
async def station(service: RunningService) -> httpx.AsyncClient:
    """The system of a station."""
    return await service.system(LE_CHAN)


@pytest.fixture
async def who(station: httpx.AsyncClient) -> str:
    """Id of a patient of the station."""
    return str((await created(station, patient()))["id"])


@pytest.fixture
async def nothing_stored(service: RunningService, who: str) -> AsyncIterator[None]:
    """Fails a test that leaves a row behind."""
    before = await rows(service)
    yield
    assert await rows(service) == before


@pytest.fixture(scope="module")
async def issuer_server() -> AsyncIterator[IssuerServer]:
    listening = listen()
    app = application()
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    serving = asyncio.create_task(running.serve(sockets=[listening]))
    yield IssuerServer(app, f"http://127.0.0.1:{listening.getsockname()[1]}")
    running.should_exit = True
    await serving


@pytest.fixture
async def issuer(store: Store, issuer_server: IssuerServer) -> AsyncIterator[Issuer]:
    async with store.writing(None) as connection:
        await connection.execute(
            "INSERT INTO facility (id, name) VALUES ('station-1', 'A'), ('hospital-1', 'B')"
        )
    await register(store, "ehr-1", "station-1", "system/*.cruds", EC_KEY, RSA_KEY)
    await register(store, "ehr-2", "hospital-1", "system/Task.rs", OTHER_CLIENT_KEY)
    clock = Clock()
    issuer_server.app.state.services = Services(store=store, base_url=issuer_server.base_url, now=clock)
    async with httpx.AsyncClient(base_url=issuer_server.base_url, timeout=20) as http:
        yield Issuer(http, issuer_server.base_url, store, clock)


@pytest.fixture(scope="session", params=EXPECTED)
async def scene(service: RunningService, request: pytest.FixtureRequest) -> Scene:
    """A referral in each of its states in turn."""
    return await scene_in(service, request.param)


@pytest.fixture(scope="session")
async def viewers(service: RunningService) -> AsyncIterator[Viewers]:
    """All who look at the scenes."""
    async with viewers_of(service) as found:
        yield found
