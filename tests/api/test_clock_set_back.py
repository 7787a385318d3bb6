"""The clock of the host jumps back while referrals are under way: nothing is lost or turned round."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from referral.actions.issue_token import hash_of
from referral.api.connections import Guard
from referral.api.services import Services
from referral.app import create_app
from referral.cli.server import serving
from referral.store.pool import Store
from tests.conftest import Database, listen
from tests.factories import KIEN_AN, LE_CHAN, created, patient, request
from tests.running_service import RunningService

HOUR = timedelta(hours=1)


class Clock:
    """The host's clock, which somebody may set."""

    def __init__(self) -> None:
        self.off = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hub(demo_database: Database, clock: Clock) -> AsyncIterator[RunningService]:
    """A service that goes by that clock; the clocks of referrals are tried in tests/delivery."""
    listening = listen()
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(demo_database.dsn)
        stack.push_async_callback(store.close)
        app = create_app(Services(store=store, base_url=base_url, now=clock), with_clocks=False)
        await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(serving(app, listening, Guard(), keep_alive=600))
        running = RunningService(base_url, store)
        stack.push_async_callback(running.close)
        yield running


async def lasting(hub: RunningService, database: Database, facility: str) -> httpx.AsyncClient:
    """A system whose token is good for a day, whatever the clock says: it signs by the true time."""
    system = await hub.system(facility)
    await system.get("Patient/nobody")
    owner = await asyncpg.connect(database.owner_dsn)
    changed = await owner.execute(
        "UPDATE access_token SET issued_at = now() - day, expires_at = now() + day"
        " FROM CAST('1 day' AS interval) AS given(day) WHERE hash = $1",
        hash_of(system.auth._token),
    )
    await owner.close()
    assert changed == "UPDATE 1"
    return system


def updated(resource: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


async def moved(client: httpx.AsyncClient, task: dict[str, Any], status: str) -> dict[str, Any]:
    headers = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
    answer = await client.put(f"Task/{task['id']}", json=task | {"status": status}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ids(client: httpx.AsyncClient, address: str) -> list[str]:
    """Every match of a search, page after page."""
    found: list[str] = []
    while address:
        page = (await client.get(address)).json()
        found += [entry["resource"]["id"] for entry in page.get("entry", [])]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return found


async def test_a_version_is_never_older_than_the_one_before_it(
    hub: RunningService, demo_database: Database, clock: Clock
) -> None:
    station = await lasting(hub, demo_database, LE_CHAN)
    first = await created(station, patient())
    clock.off = -HOUR
    answer = await station.put(f"Patient/{first['id']}", json=first | {"gender": "male"})
    second = answer.json()
    assert (second["meta"]["versionId"], updated(second)) == ("2", updated(first))
    assert answer.headers["Last-Modified"].endswith("GMT")
    clock.off = HOUR
    third = (await station.put(f"Patient/{first['id']}", json=second | {"gender": "other"})).json()
    assert updated(third) > updated(second)
    # Of another patient it is no business.
    clock.off = -HOUR
    assert updated(await created(station, patient())) < updated(first)


async def test_an_offer_goes_its_way_and_if_match_holds(
    hub: RunningService, demo_database: Database, clock: Clock
) -> None:
    station, hospital = await lasting(hub, demo_database, LE_CHAN), await lasting(hub, demo_database, KIEN_AN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"], KIEN_AN))
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    task = found.json()["entry"][0]["resource"]
    clock.off = -HOUR
    accepted = await moved(hospital, task, "accepted")
    assert updated(accepted) >= updated(task)
    stale = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
    answer = await hospital.put(f"Task/{task['id']}", json=task | {"status": "rejected"}, headers=stale)
    assert answer.status_code == 412
    clock.off = -2 * HOUR
    arrived = await moved(hospital, accepted, "in-progress")
    assert updated(arrived) >= updated(accepted)
    # What the move changed with it stands at the same time.
    stands = (await station.get(f"ServiceRequest/{asked['id']}")).json()
    assert updated(stands) >= updated(asked)


async def test_pages_by_time_have_everything_once(
    hub: RunningService, demo_database: Database, clock: Clock
) -> None:
    station = await lasting(hub, demo_database, LE_CHAN)
    marked = [{"system": "urn:test:clock", "value": f"set-back-{datetime.now(UTC).timestamp()}"}]
    written = []
    for back in (0, 1, 2, 0, 1):
        clock.off = -back * HOUR
        written.append((await created(station, patient(identifier=marked)))["id"])
    search = f"Patient?identifier={marked[0]['system']}|{marked[0]['value']}&_count=2&_sort="
    for order in ("_lastUpdated", "-_lastUpdated"):
        assert sorted(await ids(station, search + order)) == sorted(written)


async def test_a_token_of_the_time_to_come_is_none(hub: RunningService, clock: Clock) -> None:
    """Else it would live an hour longer; the worker that remembers it must ask again too."""
    station = await hub.system(LE_CHAN)
    assert (await station.get("Patient/nobody")).status_code == 404
    clock.off = -HOUR
    assert (await station.get("Patient/nobody")).status_code == 401
