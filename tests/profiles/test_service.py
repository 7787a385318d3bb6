"""The service takes every example that a system sends, and refuses every counter-example by its rule."""

import itertools
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import httpx
import pytest

from tests.profiles.conftest import Hill
from tests.profiles.examples import CounterExample, Resource, counter_examples, examples
from tests.running_service import RunningService

OFFICE, STATION, HOSPITAL = "hill", "station", "valley-hospital"
EXAMPLES = examples()
# Nobody sends a suggestion: the service answers with it.
SENT = {name: resource for name, resource in EXAMPLES.items() if resource["resourceType"] != "Parameters"}
REFUSED = [found for found in counter_examples() if found.example in SENT]
# Its author, where that is not the station; of a Task the one who moves it.
AUTHORS = {
    "Organization": OFFICE,
    "OrganizationAffiliation": OFFICE,
    "Location": HOSPITAL,
    "HealthcareService": HOSPITAL,
    "DocumentReference": HOSPITAL,
}
# How an offer gets to where the example moves it from.
BEFORE = {"Task/offer-completed": ["accepted", "in-progress"], "Task/offer-arrived": ["accepted"]}
# What stands in the directory, in this order: each names the ones before it.
DIRECTORY = [
    "Organization/valley-hospital",
    "OrganizationAffiliation/membership-valley-hospital",
    "Location/location-valley-hospital",
    "HealthcareService/service-eyes",
    "OrganizationAffiliation/affiliation-refers-to",
]
MOVED = {"status", "businessStatus", "statusReason", "output", "meta"}
PATIENT = ["Patient/example-patient", "Observation/example-observation"]


@dataclass(slots=True)
class World:
    """A small network in which the examples are true; `offers`: the one that an example of a Task moves."""

    service: RunningService
    offers: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def system(self, kind: str) -> httpx.AsyncClient:
        return await self.service.system(AUTHORS.get(kind, STATION))

    async def put(self, resource: Resource) -> httpx.Response:
        """Written under its own id by its author."""
        client = await self.system(resource["resourceType"])
        return await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)

    async def post(self, resource: Resource) -> httpx.Response:
        """Written by the station under an id that the hub gives, and an identifier that nobody has."""
        client = await self.service.system(STATION)
        sent = {name: value for name, value in resource.items() if name != "id"}
        own = {"system": "urn:example:station", "value": str(next(self.numbers))}
        sent["identifier"] = [own, *sent.get("identifier", [])[1:]]
        return await client.post(resource["resourceType"], json=sent)

    async def referral(self, *, placed: bool) -> str:
        """The id of a new referral like the example."""
        sent = deepcopy(EXAMPLES["ServiceRequest/referral-up"])
        if not placed:
            del sent["performer"]
        answer = await self.post(sent)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def standing_offer(self, example: str) -> str:
        """An offer for all that is refused: it stays where it is."""
        if example not in self.offers:
            self.offers[example] = await self.offer(example)
        return self.offers[example]

    async def offer(self, example: str) -> str:
        """The id of an offer, at where the example moves it from."""
        referral = await self.referral(placed=True)
        client = await self.service.system(HOSPITAL)
        found = await client.get("Task", params={"focus": f"ServiceRequest/{referral}"})
        task = str(found.json()["entry"][0]["resource"]["id"])
        for status in BEFORE.get(example, []):
            answer = await self.update(client, "Task", task, {"status": status})
            assert answer.status_code == 200, answer.text
        return task

    async def update(
        self, client: httpx.AsyncClient, kind: str, name: str, change: Resource
    ) -> httpx.Response:
        now = (await client.get(f"{kind}/{name}")).json()
        if_match = {"If-Match": f'W/"{now["meta"]["versionId"]}"'}
        return await client.put(f"{kind}/{name}", json=now | change, headers=if_match)

    async def send(self, example: str, resource: Resource) -> httpx.Response:
        """As docs/integrating.md tells to send what the example shows."""
        match resource["resourceType"]:
            case "ServiceRequest" if example.endswith("cancelled"):
                change = {name: resource[name] for name in ("status", "extension", "meta")}
                client = await self.service.system(STATION)
                return await self.update(client, "ServiceRequest", await self.referral(placed=False), change)
            case "ServiceRequest":
                return await self.post(resource)
            case "Task" if example.endswith("requested"):
                change = {}
                if resource.get("focus", {}).get("reference") == "ServiceRequest/referral-up":
                    change["focus"] = {"reference": f"ServiceRequest/{await self.referral(placed=False)}"}
                return await self.post(resource | change)
            case "Task":
                change = {name: value for name, value in resource.items() if name in MOVED}
                client = await self.service.system(HOSPITAL)
                return await self.update(client, "Task", await self.standing_offer(example), change)
            case "DocumentReference":
                return await self.put(resource | {"id": f"summary-{next(self.numbers)}"})
            case _:
                return await self.put(resource)


@pytest.fixture(scope="module")
async def world(hill: Hill) -> AsyncIterator[World]:
    async with hill("examples") as service:
        world = World(service)
        for name in [*DIRECTORY, *PATIENT]:
            # The first time by the office: the hospital is there afterwards.
            client = await service.system(OFFICE if name in DIRECTORY else STATION)
            answer = await client.put(name, json=EXAMPLES[name])
            assert answer.status_code == 201, answer.text
        await world.offer("so that the hospital knows the patient")
        answer = await world.put(EXAMPLES["DocumentReference/summary-discharge"])
        assert answer.status_code == 201, answer.text
        yield world


@pytest.mark.parametrize("example", SENT)
async def test_an_example_is_taken(example: str, world: World) -> None:
    answer = await world.send(example, SENT[example])
    assert answer.is_success, answer.text
    world.offers.pop(example, None)


@pytest.mark.parametrize("broken", REFUSED, ids=str)
async def test_a_counter_example_is_refused(broken: CounterExample, world: World) -> None:
    answer = await world.send(broken.example, broken.resource)
    assert answer.status_code in {400, 422}, f"{broken.rule}: {answer.text}"
    told = [issue["expression"][0] for issue in answer.json()["issue"]]
    assert any(path.startswith(broken.element) for path in told), f"{broken.rule}: {answer.text}"
