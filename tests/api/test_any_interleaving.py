"""Random interleavings of retries, twins and reused ids, held against what a history may be.

Rounds of requests are sent, all of a round at once; then their answers and the store are judged by rules that
hold in whatever order the service took them.
"""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.stored_versions import ids_with, newest_version
from tests.factories import LE_CHAN
from tests.owner import behind_the_wall
from tests.running_service import RunningService

# The same examples in every run; no stored ones, so that one machine sees what another does.
EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sends: with which header (none, request, key) and id, to which door, which body."""

    client: int
    header: str
    id: int
    door: str
    body: int

    @property
    def key(self) -> tuple[object, ...] | None:
        """What makes another one the same write; None: every one is a write of its own."""
        if self.header == "none":
            return None
        same = (self.client, self.header, self.id)
        return same if self.header == "key" else (*same, self.door, self.body)


SENT = st.builds(
    Sent,
    client=st.integers(0, 1),
    header=st.sampled_from(["none", "request", "request", "key"]),
    id=st.integers(0, 1),
    door=st.sampled_from(["create", "create-if-none", "update", "transaction"]),
    body=st.integers(0, 1),
)
# Retries are likely: few different ones, each several times, in a round or in several.
ROUNDS = st.lists(st.lists(SENT, min_size=1, max_size=3), min_size=1, max_size=4)
TWINS = st.integers(1, 4)


@dataclass(slots=True)
class World:
    """The two clients of one facility, and the names that one example alone uses."""

    clients: Sequence[httpx.AsyncClient]
    name: str = field(default_factory=lambda: str(uuid.uuid4()))

    def content(self, body: int, **more: Any) -> dict[str, Any]:
        identifier = {"system": "urn:test:any", "value": f"{self.name}-{body}"}
        return {"resourceType": "Patient", "identifier": [identifier], "birthDate": f"196{body}"} | more

    async def send(self, sent: Sent) -> httpx.Response:
        headers = {"request": "X-Request-ID", "key": "Idempotency-Key"}
        named = {headers[sent.header]: f"{self.name}-{sent.id}"} if sent.header in headers else {}
        method, address, content = "POST", "Patient", self.content(sent.body)
        match sent.door:
            case "create-if-none":
                named["If-None-Exist"] = f"identifier={self.name}-{sent.body}"
            case "update":
                method, address = "PUT", f"Patient/{self.name}"
                # Without the identifier that the others are counted by.
                content = self.content(sent.body, id=self.name)
                del content["identifier"]
            case "transaction":
                entry = {"request": {"method": "POST", "url": "Patient"}, "resource": content}
                method, address = "POST", ""
                content = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        return await self.clients[sent.client].request(
            method, address, content=json.dumps(content).encode(), headers=named
        )


def made(sent: Sent, answer: httpx.Response) -> str | None:
    """Id of the patient that this answer says was created; none where it was there, or it is an update."""
    if sent.door == "transaction":
        response = answer.json()["entry"][0]["response"]
        return str(response["location"]).split("/")[-3] if response["status"].startswith("201") else None
    return str(answer.json()["id"]) if answer.status_code == 201 and sent.door != "update" else None


def told(answer: httpx.Response) -> tuple[object, ...]:
    """All of an answer that is given again."""
    names = ("etag", "last-modified", "location", "content-type")
    return (answer.status_code, answer.content, *(answer.headers.get(name) for name in names))


@EXAMPLES
@given(rounds=ROUNDS, twins=st.lists(TWINS, min_size=3, max_size=3))
async def test_any_history_is_one_of_single_writes(
    service: RunningService, rounds: list[list[Sent]], twins: list[int]
) -> None:
    clients = [await service.system(LE_CHAN), await service.system(LE_CHAN, scope="system/*.crus")]
    world = World(clients)
    first: dict[object, tuple[Sent, tuple[object, ...]]] = {}
    written: list[tuple[Sent, httpx.Response]] = []
    for each in rounds:
        sent = [one for place, one in enumerate(each) for _ in range(twins[place])]
        answers = await asyncio.gather(*map(world.send, sent))
        known = set(first)
        # The first answers of this round, then what was answered by them.
        for one, answer in zip(sent, answers, strict=True):
            assert answer.status_code in {200, 201, 412, 422}, answer.text
            if answer.is_success and "x-replayed" not in answer.headers:
                written.append((one, answer))
                assert one.key is None or one.key not in first, "one write was done twice"
                if one.key is not None:
                    first[one.key] = (one, told(answer))
        for one, answer in zip(sent, answers, strict=True):
            _check_answer(one, answer, first, known)
    await _check_store(service, world, written)


def _check_answer(
    one: Sent,
    answer: httpx.Response,
    first: dict[object, tuple[Sent, tuple[object, ...]]],
    known: set[object],
) -> None:
    """One answer is legal, by what had been written before its round (`known`) and by the end of it."""
    if "x-replayed" in answer.headers:
        assert answer.headers["x-replayed"] == "true"
        before, said = first[one.key]
        assert (before.door, before.body) == (one.door, one.body)
        assert told(answer) == said
    if one.key in known:
        before, _ = first[one.key]
        same = (before.door, before.body) == (one.door, one.body)
        assert ("x-replayed" in answer.headers) is same
        assert (answer.status_code == 422) is not same
    match answer.status_code:
        case 422:
            # Only an Idempotency-Key that stands for another request.
            assert one.header == "key"
            before, _ = first[one.key]
            assert (before.door, before.body) != (one.door, one.body)
        case 412:
            # Two creates of one id in one moment, or several patients that meet the condition.
            assert one.door in {"update", "create-if-none"}
            assert answer.json()["issue"][0]["code"] == (
                "conflict" if one.door == "update" else "multiple-matches"
            )


async def _check_store(
    service: RunningService, world: World, written: list[tuple[Sent, httpx.Response]]
) -> None:
    """There is what the first answers say, and nothing else."""
    patients: dict[int, list[str]] = defaultdict(list)
    met: set[tuple[int, str]] = set()
    versions: dict[str, set[int]] = defaultdict(set)
    for one, answer in written:
        name = made(one, answer)
        if name is not None:
            patients[one.body].append(name)
        elif one.door == "create-if-none":
            met.add((one.body, answer.json()["id"]))
        if one.door == "update":
            versions[answer.headers["etag"]].add(one.body)
    async with behind_the_wall(service.store) as owner:
        for body in range(2):
            stored = await ids_with(owner, "Patient", f"{world.name}-{body}")
            assert sorted(stored) == sorted(patients[body])
            assert {name for of, name in met if of == body} <= stored
            for name in stored:
                assert await newest_version(owner, "Patient", name) == 1
        if versions:
            newest = await newest_version(owner, "Patient", world.name)
            assert sorted(versions) == sorted(f'W/"{version}"' for version in range(1, newest + 1))
            # Who changes nothing is answered by what stands, and makes no version.
            assert [len(bodies) for bodies in versions.values()] == [1] * newest
