"""Worklists out of what a process remembers: each actor sees what the database says now, and no more."""

from collections.abc import AsyncIterator

import httpx
import pytest

from referral.api import search
from referral.store.version_cache import VersionCache
from tests.conftest import Database, serve
from tests.factories import AN_LAO, KIEN_AN, Case, Resource, offered
from tests.running_service import RunningService

OFFERS = {
    "owner": f"Organization/{KIEN_AN}",
    "status": "requested,received,accepted,in-progress",
    "_include": ["Task:focus", "Task:patient"],
}
REQUESTS = {
    "performer": f"Organization/{KIEN_AN}",
    "status": "active",
    "_include": ["ServiceRequest:patient", "ServiceRequest:requester"],
}


@pytest.fixture(scope="module")
async def forgetful(service: RunningService, demo_database: Database) -> AsyncIterator[RunningService]:
    """A second process on the database, which remembers nothing."""
    async with serve(demo_database.dsn, versions=VersionCache(0)) as running:
        yield running


@pytest.fixture(scope="module")
async def replica(service: RunningService, demo_database: Database) -> AsyncIterator[RunningService]:
    """A third one, which remembers as the first does."""
    async with serve(demo_database.dsn) as running:
        yield running


async def shown(system: httpx.AsyncClient, resource_type: str, **more: str) -> dict[str, Resource]:
    """The first page of a list, its resources by their addresses."""
    asked = {"Task": OFFERS, "ServiceRequest": REQUESTS}[resource_type]
    answer = await system.get(resource_type, params=asked | {"_sort": "-_lastUpdated", "_count": "5"} | more)
    assert answer.status_code == 200, answer.text
    found = {}
    for entry in answer.json().get("entry", ()):
        resource = entry["resource"]
        address = f"{resource['resourceType']}/{resource['id']}"
        assert entry["fullUrl"] == str(system.base_url) + address
        # A Task that asks to stop brings the Task that it is about.
        assert entry["search"]["mode"] == "include" or resource["resourceType"] == resource_type
        found[address] = resource
    return found


async def check_read(system: httpx.AsyncClient, page: dict[str, Resource], case: Case) -> None:
    """What the page has of the case is what a read of each gives."""
    for address in (f"Task/{case.offer_id}", f"ServiceRequest/{case.request['id']}"):
        assert page[address] == (await system.get(address)).json()


async def test_a_change_is_seen_at_once_whichever_process_made_it(
    service: RunningService, replica: RunningService, forgetful: RunningService
):
    case = await offered(service)
    systems = [await each.system(KIEN_AN) for each in (service, replica, forgetful)]
    for mover, status in zip(systems, ("received", "accepted", "in-progress"), strict=True):
        for system in (*systems, *systems):
            await check_read(system, await shown(system, "Task"), case)
        await case.moved(mover, status)
    pages = [await shown(system, "Task") for system in systems]
    assert pages[0][f"Task/{case.offer_id}"]["status"] == "in-progress"
    assert pages[0] == pages[1] == pages[2]
    assert list(pages[0]) == list(pages[1]) == list(pages[2])


async def test_who_stops_seeing_something_is_not_shown_what_the_process_remembers(
    service: RunningService,
):
    case = await offered(service)
    before = {}
    for resource_type in ("Task", "ServiceRequest"):
        for _ in range(2):
            before |= await shown(case.receiver, resource_type)
    own = {f"Task/{case.offer_id}", f"ServiceRequest/{case.request['id']}", f"Patient/{case.patient['id']}"}
    assert own <= before.keys()
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    after = {}
    for resource_type in ("Task", "ServiceRequest"):
        after |= await shown(case.receiver, resource_type)
    seen = {address for address in own if (await case.receiver.get(address)).status_code == 200}
    assert f"Patient/{case.patient['id']}" not in seen
    assert own & after.keys() <= seen


@pytest.mark.parametrize("resource_type", ["Task", "ServiceRequest"])
async def test_nobody_else_is_shown_what_was_read_for_one(service: RunningService, resource_type: str):
    case = await offered(service)
    own = {f"Task/{case.offer_id}", f"ServiceRequest/{case.request['id']}", f"Patient/{case.patient['id']}"}
    of_receiver = await shown(case.receiver, resource_type)
    assert own & of_receiver.keys()
    assert not own & (await shown(await service.system(AN_LAO), resource_type)).keys()
    # Who sent it sees it, and of the others what it sees by itself.
    of_sender = await shown(case.sender, resource_type)
    assert own & of_sender.keys() == own & of_receiver.keys()
    for address, resource in of_sender.items():
        assert (await case.sender.get(address)).json() == resource


async def test_what_may_be_read_depends_on_the_scope(service: RunningService):
    case = await offered(service)
    assert f"Patient/{case.patient['id']}" in await shown(case.receiver, "Task")
    few = await service.system(KIEN_AN, "system/Task.rs system/ServiceRequest.rs")
    assert {address.partition("/")[0] for address in await shown(few, "Task")} == {"Task", "ServiceRequest"}


async def test_parts_and_other_forms_are_made_of_the_same(service: RunningService):
    case = await offered(service)
    whole = await shown(case.receiver, "Task")
    assert await shown(case.receiver, "Task", _pretty="true") == whole
    parts = await shown(case.receiver, "Task", _elements="status")
    task = parts[f"Task/{case.offer_id}"]
    assert "owner" not in task
    assert task["status"] == whole[f"Task/{case.offer_id}"]["status"]


async def test_the_same_words_are_read_by_how_they_are_meant(service: RunningService):
    system = await service.system(KIEN_AN)
    asked = {"unheard-of": "1", "owner": "Organization/no-such-facility"}
    for _ in range(2):
        for handling, status in (("lenient", 200), ("strict", 400)):
            answer = await system.get("Task", params=asked, headers={"Prefer": f"handling={handling}"})
            assert answer.status_code == status


async def test_the_words_of_worklists_alone_are_remembered(service: RunningService):
    system = await service.system(KIEN_AN)
    await shown(system, "Task")
    before = search._read.cache_info()
    await shown(system, "Task")
    again = search._read.cache_info()
    assert (again.hits, again.misses) == (before.hits + 1, before.misses)
    for address in (
        "Patient?name=Somebody",
        "Patient?identifier=http://hospital.example/numbers%7C17",
        f"Task?owner=Organization/{KIEN_AN}&status=requested&patient.name=Somebody",
        f"Task?owner=Organization/{KIEN_AN}&status=requested&subject:identifier=17",
        "Task?requester:identifier=17",
    ):
        assert (await system.get(address)).status_code in {200, 400}, address
    assert search._read.cache_info() == again
