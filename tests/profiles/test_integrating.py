"""docs/integrating.md is true: its requests are sent to a live service, which must answer as the page says.

A block begins with a request line or a status line. Ids and numbers that the hub gives are others in every
database: each that the page names stands for one that was answered, the same everywhere. Moments are not
compared.
"""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from referral.actions.add_client import add_client, generate_keys
from referral.cli.demo_system import token_form
from tests.profiles.conftest import Hill
from tests.running_service import RunningService

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "integrating.md"
HOST = "https://hub.example"
ASSERTION = "<signed assertion>"
AGAIN = "<the same body>"
TOKENS = {"<token of the station>": "station", "<token of the hospital>": "hospital"}

_GIVEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\bHI[0-9]{9}\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer of the page: `first` is its first line."""

    first: str
    headers: dict[str, str]
    body: str


def messages(page: str) -> list[Message]:
    found = []
    for block in re.findall(r"^```http\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        head, _, body = block.partition("\n\n")
        first, *lines = head.splitlines()
        found.append(Message(first, dict(line.split(": ", 1) for line in lines), body.strip()))
    return found


def exchanges() -> list[tuple[Message, Message]]:
    told = messages(PAGE.read_text(encoding="utf-8"))
    return list(zip(told[::2], told[1::2], strict=True))


@dataclass(slots=True)
class Reader:
    """A vendor who sends what the page says. `known`: what the ids and numbers of the page stand for."""

    service: RunningService
    http: httpx.AsyncClient
    keys: dict[str, tuple[str, dict[str, Any]]]
    tokens: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    last: str = ""

    def ours(self, text: str) -> str:
        """What the page says, for this service."""
        text = _GIVEN.sub(lambda found: self.known.get(found[0], found[0]), text)
        return text.replace(HOST, self.service.base_url)

    def same(self, told: Any, seen: Any) -> bool:
        """Whether an answer is what the page tells; what is new in it is remembered."""
        if isinstance(told, dict) and isinstance(seen, dict):
            return told.keys() == seen.keys() and all(self.same(told[name], seen[name]) for name in told)
        if isinstance(told, list) and isinstance(seen, list):
            return len(told) == len(seen) and all(map(self.same, told, seen))
        if isinstance(told, str) and isinstance(seen, str):
            names, given = _GIVEN.findall(told), _GIVEN.findall(seen)
            if len(names) != len(given):
                return False
            for name, its in zip(names, given, strict=True):
                if name not in self.known and its not in self.known.values():
                    self.known[name] = its
            return _MOMENT.sub("", self.ours(told)) == _MOMENT.sub("", seen)
        return bool(told == seen)

    async def send(self, request: Message) -> httpx.Response:
        method, path, *_ = request.first.split(" ")
        headers = {name: self.ours(value) for name, value in request.headers.items() if name != "Host"}
        for placeholder, facility in TOKENS.items():
            if placeholder in headers.get("Authorization", ""):
                headers["Authorization"] = f"Bearer {await self.token(facility)}"
        content = self.last if request.body == AGAIN else self.ours(request.body)
        self.last = content
        if ASSERTION in content:
            form = self.form("station")
            told = dict(httpx.QueryParams(content))
            assert told == form | {"client_assertion": ASSERTION}
            return await self.http.post(path, data=form)
        return await self.http.request(method, self.ours(path), headers=headers, content=content.encode())

    async def token(self, facility: str) -> str:
        if facility not in self.tokens:
            answer = await self.http.post("/oauth/token", data=self.form(facility))
            self.tokens[facility] = answer.json()["access_token"]
        return self.tokens[facility]

    def form(self, facility: str) -> dict[str, str]:
        """What its system posts to sign in."""
        client, key = self.keys[facility]
        return dict(token_form(client, key, f"{self.service.base_url}/oauth/token"))


async def registered(service: RunningService, facility: str) -> tuple[str, dict[str, Any]]:
    """The client id and private key of a system."""
    private, public = generate_keys()
    client = await add_client(
        service.store,
        client_id=None,
        facility=facility,
        name=facility,
        scope="system/*.cruds",
        jwks={"keys": [public]},
        now=datetime.now(UTC),
    )
    return client.id, dict(private)


@pytest.fixture(scope="module")
async def reader(hill: Hill) -> AsyncIterator[Reader]:
    async with hill("told") as service, httpx.AsyncClient(base_url=service.base_url, timeout=30) as http:
        keys = {facility: await registered(service, facility) for facility in TOKENS.values()}
        yield Reader(service, http, keys)


@pytest.mark.parametrize("number", range(len(exchanges())))
async def test_the_service_answers_as_the_page_tells(number: int, reader: Reader) -> None:
    """In the order of the page: what is sent stands on what was answered before."""
    request, told = exchanges()[number]
    answer = await reader.send(request)
    assert told.first.startswith(f"HTTP/1.1 {answer.status_code} "), answer.text
    for name, value in told.headers.items():
        if name != "Last-Modified":
            assert reader.same(value, answer.headers.get(name)), f"{name}: {answer.headers.get(name)}"
    if "<token of the station>" in told.body:
        assert answer.json().keys() == json.loads(told.body).keys()
    elif told.body:
        assert reader.same(json.loads(told.body), answer.json()), json.dumps(answer.json(), indent=2)


def test_both_parties_and_every_kind_of_error_are_told() -> None:
    told = exchanges()
    assert len(told) >= 15
    senders = " ".join(request.headers.get("Authorization", "") for request, _ in told)
    assert all(placeholder in senders for placeholder in TOKENS)
    statuses = {answer.first.split(" ")[1] for _, answer in told}
    assert {"200", "201", "400", "404", "409", "412", "422", "428"} <= statuses


def test_the_tables_are_those_of_the_code() -> None:
    command = [sys.executable, ROOT / "scripts" / "make_integrating_docs.py", "--check"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")
