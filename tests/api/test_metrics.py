"""What an operator watches: true numbers, few labels, nothing of a patient."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from referral.fhir.resources import SUPPORTED
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import LE_CHAN, created, offered, patient
from tests.running_service import RunningService
from tests.store.commands import HOSPITAL, Hub
from tests.store.test_messages import placed

ROOT = Path(__file__).resolve().parents[2]

Labels = dict[str, str]
PATIENCE = 60  # seconds until a test gives up on what the service does by itself
DURATION = "referral_request_duration_seconds"
OLDEST = "referral_offer_oldest_seconds"


@pytest.fixture(scope="module")
async def watched(demo_database: Database) -> AsyncIterator[RunningService]:
    """A service that nobody else uses: its counts are this module's."""
    async with serve(demo_database.dsn) as running:
        yield running


async def samples(service: RunningService) -> list[Any]:
    async with service.anonymous() as nobody:
        answer = await nobody.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


async def value(service: RunningService, name: str, **labels: str) -> float:
    """The value of one series; 0 where it is not there yet."""
    found = [
        sample.value
        for sample in await samples(service)
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1, (name, labels)
    return found[0] if found else 0


async def test_each_request_is_counted_where_it_belongs(watched: RunningService) -> None:
    station = await watched.system(LE_CHAN)
    who = await created(station, patient())
    asked = [
        ({"interaction": "create", "method": "POST", "type": "Patient", "status": "2xx"}, "POST", "Patient"),
        ({"interaction": "read", "method": "GET", "type": "Patient"}, "GET", f"Patient/{who['id']}"),
        ({"interaction": "read", "method": "GET", "type": "Task", "status": "4xx"}, "GET", "Task/nowhere"),
        ({"interaction": "search", "method": "GET", "type": "Task"}, "GET", "Task?status=requested"),
    ]
    for labels, method, address in asked:
        before = await value(watched, f"{DURATION}_count", **labels)
        body = {"json": patient()} if method == "POST" else {}
        await station.request(method, address, **body)
        assert await value(watched, f"{DURATION}_count", **labels) == before + 1, labels
        full = await value(watched, f"{DURATION}_bucket", **labels, le="+Inf")
        assert full == before + 1
        assert await value(watched, f"{DURATION}_sum", **labels) > 0


async def test_what_was_answered_again_is_counted(watched: RunningService) -> None:
    station = await watched.system(LE_CHAN)
    before, content = await value(watched, "referral_replays_total"), patient()
    for _ in range(3):
        await station.post("Patient", json=content, headers={"X-Request-ID": "counted-1"})
    assert await value(watched, "referral_replays_total") == before + 2


async def test_labels_are_few_whatever_is_sent(watched: RunningService) -> None:
    station = await watched.system(LE_CHAN)
    secret = "Quach-Thien-Ly"
    for address in (
        f"Patient/{secret}",
        secret,
        f"{secret}/{secret}",
        f"Patient?family={secret}",
        "Pat%0Aient/1",
    ):
        await station.get(address)
        await station.delete(address)
        await station.request("PROPFIND", address)
    async with watched.anonymous() as nobody:
        await nobody.get(f"/{secret}")
        text = (await nobody.get("/metrics")).text
    assert secret not in text
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"}
    for sample in await samples(watched):
        if sample.name.startswith(DURATION):
            assert sample.labels["method"] in methods
            assert sample.labels["type"] in {*SUPPORTED, ""}
            assert sample.labels["status"] in {"2xx", "3xx", "4xx", "5xx", "0"}
            assert sample.labels["interaction"].replace("_", "").isalpha()


async def test_what_is_in_flight_is_counted_until_it_is_answered(watched: RunningService) -> None:
    # Whoever asks is in flight.
    assert await value(watched, "referral_requests_in_flight") == 1
    async with watched.anonymous() as nobody:
        goes_on = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"grant_type="
            await goes_on.wait()

        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asking = asyncio.create_task(nobody.post("/oauth/token", content=body(), headers=headers))
        while await value(watched, "referral_requests_in_flight") < 2:  # noqa: ASYNC110 - told by nothing else
            await asyncio.sleep(0.01)
        goes_on.set()
        assert (await asking).status_code == 400
    assert await value(watched, "referral_requests_in_flight") == 1


async def test_the_pool_tells_who_uses_it_and_who_waits(watched: RunningService) -> None:
    most = int(await value(watched, "referral_pool_connections_max"))
    uses = await value(watched, "referral_pool_uses_total")
    async with contextlib.AsyncExitStack() as all_of_them:
        for _ in range(most):
            await all_of_them.enter_async_context(watched.store.reading(None))
        assert await value(watched, "referral_pool_connections", state="in-use") == most
        assert await value(watched, "referral_pool_connections", state="idle") == 0
        async with watched.anonymous() as nobody:
            asking = asyncio.create_task(nobody.get("/readyz"))
            async with asyncio.timeout(PATIENCE):
                while await value(watched, "referral_pool_waiting") < 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await all_of_them.aclose()
            assert (await asking).status_code == 200
    assert await value(watched, "referral_pool_uses_total") >= uses + most + 1
    assert await value(watched, "referral_pool_wait_seconds_total") > 0


async def test_the_graph_tells_its_version_and_that_it_is_watched(watched: RunningService) -> None:
    async with watched.store.reading(None) as connection:
        version = await connection.fetchval("SELECT version FROM network_version")
    assert await value(watched, "referral_graph_version") == version
    before = await value(watched, "referral_graph_age_seconds")
    async with asyncio.timeout(PATIENCE):
        while await value(watched, "referral_graph_unchecked_seconds") >= await value(  # noqa: ASYNC110
            watched, "referral_graph_age_seconds"
        ):
            await asyncio.sleep(0.05)  # until it has been looked at once more, and found to be the same
    assert await value(watched, "referral_graph_age_seconds") > before


async def by_state(service: RunningService, name: str) -> dict[str, float]:
    """The series of a gauge whose one label is the state of an offer."""
    return {sample.labels["state"]: sample.value for sample in await samples(service) if sample.name == name}


async def waiting(service: RunningService) -> dict[str, float]:
    """The offers that wait, by state, as soon as the service has looked for them."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await by_state(service, "referral_offers_waiting")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def waiting_now(database: Database) -> dict[str, float]:
    """The same of a replica that starts now, and so looks now."""
    async with serve(database.dsn) as fresh:
        return await waiting(fresh)


async def test_an_offer_is_an_open_clock_until_it_is_answered(
    watched: RunningService, demo_database: Database
) -> None:
    before = await waiting_now(demo_database)
    assert set(before) == {"requested", "received", "awaiting-information"}
    case = await offered(watched)
    assert await waiting_now(demo_database) == before | {"requested": before["requested"] + 1}
    await case.moved(case.receiver, "received")
    assert await waiting_now(demo_database) == before | {"received": before["received"] + 1}
    await case.moved(case.receiver, "accepted")
    assert await waiting_now(demo_database) == before


async def test_a_look_asks_the_database_nothing(watched: RunningService, service: RunningService) -> None:
    await waiting(watched)
    most = int(await value(watched, "referral_pool_connections_max"))
    async with contextlib.AsyncExitStack() as all_of_them:
        for _ in range(most):
            await all_of_them.enter_async_context(watched.store.reading(None))
        before, unchecked = await waiting(watched), await value(watched, "referral_offers_unchecked_seconds")
        # By another replica: this one has no connection left to see it by.
        await offered(service)
        assert await waiting(watched) == before
        assert await value(watched, "referral_offers_unchecked_seconds") > unchecked


async def test_the_oldest_is_as_old_as_its_last_move(store: Store, database: Database) -> None:
    async with serve(database.dsn) as none_wait:
        assert await waiting(none_wait) == dict.fromkeys(("requested", "received", "awaiting-information"), 0)
        assert await by_state(none_wait, OLDEST) == {}
    hub = Hub(store)
    await hub.prepare()
    await placed(hub)
    _, second = await placed(hub)
    (first,) = await hub.rows("SELECT min(updated_at) AS moved FROM offer")
    async with serve(database.dsn) as two_wait:
        assert (await waiting(two_wait))["requested"] == 2
        before = datetime.now(UTC)
        ages = await by_state(two_wait, OLDEST)
        after = datetime.now(UTC)
    assert set(ages) == {"requested"}
    assert before <= first["moved"] + timedelta(seconds=ages["requested"]) <= after
    await hub.write(HOSPITAL, hub.change(second, status="received"))
    async with serve(database.dsn) as one_waits:
        await waiting(one_waits)
        ages = await by_state(one_waits, OLDEST)
    assert ages["requested"] > ages["received"]


async def test_the_process_and_its_version_are_told(watched: RunningService) -> None:
    names = {sample.name for sample in await samples(watched)}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= names
    (build,) = [sample for sample in await samples(watched) if sample.name == "referral_build_info"]
    assert set(build.labels) == {"version", "python"}


async def test_the_page_for_operators_lists_what_there_is(watched: RunningService) -> None:
    await waiting(watched)
    async with watched.anonymous() as nobody:
        text = (await nobody.get("/metrics")).text
    seen = {}
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("referral_"):
            seen[name] = [family.type, labels, family.documentation]
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## Monitoring")[1]
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| `referral_")]
    listed = {
        name.strip(" `"): [kind, set(labels.replace(",", " ").split()) - {"-"}, meaning.strip()]
        for name, kind, labels, meaning in rows
    }
    # Its label is there once a connection was dropped.
    seen["referral_connections_dropped_total"][1] = {"reason"}
    # And this while an offer waits.
    seen[OLDEST][1] = {"state"}
    seen["referral_clock_oldest_due_seconds"][1] = {"kind"}
    assert listed == seen


async def test_it_needs_no_token_and_takes_nothing_but_get(watched: RunningService) -> None:
    async with watched.anonymous() as nobody:
        assert (await nobody.post("/metrics")).status_code == 405
