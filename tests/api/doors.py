"""Every door of a write: a new write by each, ready to be sent, and sent again."""

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    Resource,
    created,
    observation,
    offer,
    offered,
    patient,
    request,
)
from tests.running_service import RunningService


@dataclass(frozen=True, slots=True)
class Write:
    """A write as it goes over the line."""

    client: httpx.AsyncClient
    method: str
    address: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, **headers: str | bytes) -> httpx.Response:
        """The answer; `X_Request_ID` and the like are headers of this attempt."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            self.method, self.address, content=self.body, headers=self.headers | named
        )


def write(client: httpx.AsyncClient, method: str, address: str, content: Any, **headers: str) -> Write:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Write(client, method, address, json.dumps(content).encode(), named)


def bundle(*entries: tuple[str, str, Resource]) -> Resource:
    """A transaction of methods, addresses and resources."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": method, "url": address}, "resource": resource}
            for method, address, resource in entries
        ],
    }


async def create(service: RunningService) -> Write:
    return write(await service.system(LE_CHAN), "POST", "Patient", patient())


async def place(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    return write(station, "POST", "ServiceRequest", request(who["id"], KIEN_AN))


async def open_offer(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    asked = await created(station, request(who["id"]))
    return write(station, "POST", "Task", offer(asked["id"], KIEN_AN))


async def update(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    return write(station, "PUT", f"Patient/{who['id']}", who | {"birthDate": "1961-05-05"})


async def create_by_update(service: RunningService) -> Write:
    name = str(uuid.uuid4())
    return write(await service.system(LE_CHAN), "PUT", f"Patient/{name}", patient(id=name))


async def move(service: RunningService) -> Write:
    case = await offered(service)
    task = await case.task() | {"status": "accepted"}
    return write(case.receiver, "PUT", f"Task/{case.offer_id}", task, If_Match='W/"1"')


async def transaction(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    name = str(uuid.uuid4())
    return write(
        station,
        "POST",
        "",
        bundle(
            ("PUT", f"Patient/{name}", patient(id=name)),
            ("POST", "Observation", observation(name)),
            ("POST", "ServiceRequest", request(name, KIEN_AN)),
        ),
    )


async def directory(service: RunningService) -> Write:
    content = {
        "resourceType": "Practitioner",
        "name": [{"family": "Phạm", "given": ["Thị Thử"]}],
        "identifier": [{"system": "urn:test:practitioner", "value": str(uuid.uuid4())}],
    }
    return write(await service.system(LE_CHAN), "POST", "Practitioner", content)


async def change_nothing(service: RunningService) -> Write:
    """Answered 200 without a version."""
    case = await offered(service)
    return write(case.receiver, "PUT", f"Task/{case.offer_id}", await case.task(), If_Match='W/"1"')


async def update_by_search(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    value = who["identifier"][0]["value"]
    return write(station, "PUT", f"Patient?identifier={value}", who | {"birthDate": "1961-05-05"})


async def patch(service: RunningService) -> Write:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    change = [{"op": "replace", "path": "/birthDate", "value": "1961-05-05"}]
    return write(station, "PATCH", f"Patient/{who['id']}", change, Content_Type="application/json-patch+json")


async def attach(service: RunningService) -> Write:
    """Bytes, and no resource."""
    headers = {"Content-Type": "text/plain"}
    return Write(await service.system(LE_CHAN), "POST", "Binary", uuid.uuid4().bytes, headers)


Door = Callable[[RunningService], Awaitable[Write]]

DOORS: tuple[Door, ...] = (
    *(create, place, open_offer, update, create_by_update, move, transaction, directory, change_nothing),
    *(update_by_search, patch, attach),
)
