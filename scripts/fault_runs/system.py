"""The system of one facility: sends writes and remembers what it was told of each."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from referral.cli.demo_system import token_form
from scripts.fault_runs.bodies import Resource
from scripts.store_check.facts import digest_of
from scripts.store_check.writes import Journal, Outcome, Told, Write

_TOKEN_SECONDS = 200
_ANSWER_SECONDS = 6
_PAUSE_SECONDS = 0.05
_SENT_AGAIN = 0.6
"""Of the writes without an answer; clients never learn what became of the others, unless they look."""


class Stopped(Exception):
    """The run is over."""


@dataclass(slots=True)
class Run:
    """What all systems of one run share: the journal, the dice, and whether it goes on."""

    journal: Journal
    dice: random.Random
    base_url: str
    running: bool = True
    acknowledged: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    def new_write(self, work: str, *types: str, target: tuple[tuple[str, str], int] | None = None) -> Write:
        """A write, remembered from before it is sent. Raises Stopped."""
        if not self.running:
            raise Stopped
        write = Write(f"fault-run-{uuid.UUID(int=self.dice.getrandbits(128)).hex}", work, types, target)
        self.journal.writes.append(write)
        return write


class System:
    """One facility's system. Its methods raise Stopped when the run is over."""

    def __init__(self, run: Run, facility: str, client_id: str, private_jwk: dict[str, Any]) -> None:
        self.facility = facility
        self._run = run
        self._client_id, self._jwk = client_id, private_jwk
        self._http = httpx.AsyncClient(base_url=run.base_url, timeout=_ANSWER_SECONDS)
        self._token, self._token_at = "", 0.0
        self._signing_in = asyncio.Lock()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def create(self, write: Write, resource: Resource) -> Resource | None:
        """POST it; the stored resource, or None where the client was not told that it is."""
        return await self._send(write, "POST", f"/fhir/{resource['resourceType']}", resource)

    async def update(self, write: Write, resource: Resource, version: int) -> Resource | None:
        """PUT it as a change of that version."""
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        return await self._send(write, "PUT", path, resource, {"If-Match": f'W/"{version}"'})

    async def transact(self, write: Write, bundle: Resource) -> list[Resource] | None:
        """POST a transaction; the stored resources."""
        answer = await self._send(write, "POST", "/fhir", bundle)
        return None if answer is None else [entry["resource"] for entry in answer["entry"]]

    async def claim(self, write: Write, named: Resource) -> Resource | None:
        """Take in the patient of a referral; the offer that has arrived."""
        return await self._send(write, "POST", "/fhir/ServiceRequest/$claim", named)

    async def read(self, path: str) -> Resource | None:
        """GET until an answer comes; None for a 4xx."""
        while True:
            try:
                answer = await self._http.get(f"/fhir/{path}", headers=await self._headers())
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                return dict(answer.json())
            if answer is not None and answer.status_code < 500 and answer.status_code not in {401, 429}:
                return None
            await self._pause()

    async def find(self, query: str) -> list[Resource]:
        """The resources of the first page of a search."""
        found = await self.read(query)
        return [entry["resource"] for entry in (found or {}).get("entry", ())]

    async def _send(
        self, write: Write, method: str, path: str, body: Resource, more: dict[str, str] | None = None
    ) -> Resource | None:
        content = json.dumps(body)
        patient = self._run.dice.random() < _SENT_AGAIN
        while True:
            headers = await self._headers() | (more or {}) | {"X-Request-ID": write.mark}
            write.tries += 1
            try:
                answer = await self._http.request(method, path, content=content, headers=headers)
            except httpx.TransportError:
                answer = None
            self._run.answers[answer.status_code if answer is not None else 0] += 1
            if answer is not None and answer.status_code < 500:
                return self._remember(write, answer)
            if not (patient and self._run.running):
                return None
            await self._pause()

    def _remember(self, write: Write, answer: httpx.Response) -> Resource | None:
        write.status = answer.status_code
        write.replayed = answer.headers.get("X-Replayed") == "true"
        if answer.status_code >= 400:
            # Also when an earlier try was lost: had that one been done, its answer would be repeated.
            write.outcome = Outcome.REFUSED
            if answer.status_code == 401:
                self._token = ""
            return None
        write.outcome = Outcome.ACKNOWLEDGED
        self._run.acknowledged += 1
        found = json.loads(answer.content, parse_float=str)
        bundle = found["resourceType"] == "Bundle"
        stored = [entry["resource"] for entry in found["entry"]] if bundle else [found]
        write.told = tuple(
            Told((one["resourceType"], one["id"]), int(one["meta"]["versionId"]), digest_of(one))
            for one in stored
        )
        return dict(answer.json())

    async def _headers(self) -> dict[str, str]:
        async with self._signing_in:
            while not self._token or time.monotonic() - self._token_at > _TOKEN_SECONDS:
                try:
                    form = token_form(self._client_id, self._jwk, f"{self._run.base_url}/oauth/token")
                    answer = await self._http.post("/oauth/token", data=form)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    self._token, self._token_at = answer.json()["access_token"], time.monotonic()
                else:
                    await self._pause()
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/fhir+json"}

    async def _pause(self) -> None:
        if not self._run.running:
            raise Stopped
        await asyncio.sleep(_PAUSE_SECONDS)
