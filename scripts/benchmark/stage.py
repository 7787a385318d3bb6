"""What a run stands on: the service and the floor as processes, and systems that are signed in."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from referral.actions.add_client import add_client, generate_keys
from referral.cli.demo_system import token_form
from referral.domain.facility import FacilityId
from referral.store.pool import Store

SCOPE = "system/*.cruds"
_RENEW_SECONDS = 200  # of the 300 that a token lives
_START_SECONDS = 90


@contextlib.contextmanager
def running(command: list[str], address: str, log: Path) -> Iterator[psutil.Process]:
    """A program that serves HTTP until we leave; enters at the first answer of `address`."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{' '.join(command[1:4])} does not start: {log.read_text()[-2000:]}")
                time.sleep(0.01)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


def serve_command(data: Path, port: int) -> list[str]:
    """The service as everybody starts it."""
    return [sys.executable, "-m", "referral", "serve", "--data", str(data), "--port", str(port)]


def floor_command(dsn: str, port: int, facilities: int) -> list[str]:
    """The floor beside it; `facilities` are those of the country, 0 without it."""
    return [sys.executable, "-m", "scripts.benchmark.floor", dsn, str(port), str(facilities)]


@dataclass(slots=True)
class Systems:
    """Systems of some facilities, each with a client `bench-<facility>` and a token of the token door."""

    base_url: str
    _keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)
    _renewed: float = 0.0

    async def add(self, store: Store, facilities: Iterable[str]) -> None:
        """Register a client for each of them."""
        for facility in facilities:
            private, public = generate_keys()
            await add_client(
                store,
                client_id=f"bench-{facility}",
                facility=FacilityId(facility),
                name="benchmark",
                scope=SCOPE,
                jwks={"keys": [public]},
                now=datetime.now(UTC),
            )
            self._keys[facility] = dict(private)

    async def sign_in(self) -> None:
        """Get new tokens before the old ones expire."""
        if self._tokens and time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False, timeout=30) as http:
            for facility, private in self._keys.items():
                form = token_form(f"bench-{facility}", private, f"{self.base_url}/oauth/token")
                answer = await http.post("/oauth/token", data=form)
                self._tokens[facility] = answer.raise_for_status().json()["access_token"]
        self._renewed = time.monotonic()

    def token(self, facility: str) -> str:
        """The access token of a facility's system."""
        return self._tokens[facility]

    async def ask(
        self, facility: str, method: str, path: str, body: object = None, **headers: str
    ) -> dict[str, Any]:
        """What the service answers a system; it must be a success."""
        await self.sign_in()
        sent = {"Authorization": f"Bearer {self.token(facility)}", "Content-Type": "application/fhir+json"}
        async with httpx.AsyncClient(base_url=f"{self.base_url}/fhir/", trust_env=False, timeout=60) as http:
            answer = await http.request(
                method, path, headers=sent | headers, content=None if body is None else json.dumps(body)
            )
        if not answer.is_success:
            sys.exit(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        found: dict[str, Any] = answer.json()
        return found


async def settle() -> None:
    """Let what the service does behind its answers be done."""
    await asyncio.sleep(1.2)
