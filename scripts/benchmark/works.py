"""What is asked of the service, and what of the floor beside it.

Every work makes raw requests without end; bodies are made while the client drives, for both servers alike.
"""

import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import asyncpg

from referral.domain.search import STRING_SEPARATOR
from scripts.benchmark import country, story
from scripts.benchmark.client import Requests, http_request
from scripts.benchmark.seed import Maker, load, sealed
from scripts.benchmark.stage import Systems

WORKS: Final = ("read", "worklist", "search", "place", "move", "transaction", "suggest")
MORE: Final = ("name", "chain", "revinclude", "history", "moves")
"""Measured where they are asked for by name."""
OPEN: Final = "requested,received,accepted,in-progress"
_KNOWN: Final = 2000  # resources that reads and searches ask for in turn
_MOVES_PER_SECOND: Final = 1500  # more than there can be; twice as many moves as offers

_Names = Iterator[str]  # whole lines of a head, one for each request


@dataclass(slots=True)
class Material:
    """What the works ask for."""

    owner: asyncpg.Connection
    systems: Systems
    maker: Maker
    service: int  # port
    floor: int  # port
    senders: Sequence[str]
    receivers: Sequence[str]
    people: story.People = field(default_factory=lambda: story.People("W"))
    requests: list[tuple[str, str]] = field(default_factory=list)  # (id, sender) of stored referrals
    patients: list[tuple[str, str]] = field(default_factory=list)  # (id, owner)
    names: list[tuple[str, str]] = field(default_factory=list)  # (folded name of a patient, owner)
    numbers: list[tuple[str, str]] = field(default_factory=list)  # (system|value of a patient, owner)
    offers: list[dict[str, str]] = field(default_factory=list)  # requested, as values of the shape
    floor_rows: list[str] = field(default_factory=list)
    askers: list[str] = field(default_factory=list)  # stations of the country, for suggestions

    async def gather(self) -> None:
        """Look up what is stored. A new order each time: no run asks for one after another of an index."""
        rows = await self.owner.fetch(
            "SELECT id, sender, patient FROM referral WHERE sender = ANY ($1::text[])"
            " ORDER BY md5(id) LIMIT $2",
            list(self.senders),
            _KNOWN,
        )
        self.requests = [(row["id"], row["sender"]) for row in rows]
        self.patients = [(row["patient"], row["sender"]) for row in rows]
        by_id = dict(self.patients)
        named = await self.owner.fetch(
            "SELECT id, split_part(folded, $2, 1) AS text FROM search_string"
            " WHERE type = 'Patient' AND param = 'name' AND id = ANY ($1::text[]) ORDER BY md5(id)",
            list(by_id),
            STRING_SEPARATOR,
        )
        self.names = [(row["text"], by_id[row["id"]]) for row in named]
        numbered = await self.owner.fetch(
            "SELECT id, system || '|' || code AS text FROM search_token"
            " WHERE type = 'Patient' AND param = 'identifier' AND id = ANY ($1::text[]) ORDER BY md5(id)",
            list(by_id),
        )
        self.numbers = [(row["text"], by_id[row["id"]]) for row in numbered]
        self.floor_rows = [
            row["id"] for row in await self.owner.fetch("SELECT id FROM floor ORDER BY md5(id)")
        ]

    async def stock(self, seconds: float) -> None:
        """Have enough offers that nobody has moved yet."""
        missing = int(seconds * _MOVES_PER_SECOND / 2) - len(self.offers)
        if missing > 0:
            async with sealed(self.owner):
                self.offers += await load(self.owner, self.maker, missing, way="requested", days=1)


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work and the floor it is held against.

    unnamed: of a write, the same requests without X-Request-ID; None for what is no write.
    """

    name: str
    ours: Requests
    floor: Requests
    unnamed: Requests | None = None


def make_works(material: Material) -> dict[str, Work]:
    """All works by name."""
    service, floor = material.service, material.floor
    read = Requests(floor, 200, lambda: _floor_reads(material))
    insert = Requests(floor, 201, lambda: _floor_inserts(material))
    looks: dict[str, tuple[Callable[[Material], Iterator[bytes]], Requests]] = {
        "read": (_reads, read),
        "worklist": (_worklists, read),
        "search": (_searches, read),
        "name": (_names, read),
        "chain": (_chains, read),
        "revinclude": (_revincludes, read),
        "history": (_histories, read),
        "moves": (_possible_moves, read),
        "suggest": (_questions, Requests(floor, 200, lambda: _roads(material))),
    }
    writes: dict[str, tuple[int, Callable[[Material, _Names], Iterator[bytes]]]] = {
        "place": (201, _placings),
        "move": (200, _moves),
        "transaction": (200, _transactions),
    }
    works = [
        Work(name, Requests(service, 200, lambda make=make: make(material)), beside)
        for name, (make, beside) in looks.items()
    ]
    for name, (status, make) in writes.items():
        named, unnamed = (
            Requests(service, status, lambda make=make, names=names: make(material, names()))
            for names in (request_names, _no_names)
        )
        works.append(Work(name, named, insert, unnamed))
    return {work.name: work for work in works}


def request_names() -> _Names:
    """A header for each request that gives it a name of its own, as systems of records send it."""
    # A uuid for each would cost the client more.
    session = uuid.uuid4()
    return (f"X-Request-ID: {session}.{number}\r\n" for number in itertools.count())


def _no_names() -> _Names:
    return itertools.repeat("")


def _shuffled(values: Sequence[Any]) -> Iterator[Any]:
    """All of them over and over, beginning anywhere."""
    start = random.randrange(len(values))  # noqa: S311 - no secret
    return itertools.cycle(itertools.chain(values[start:], values[:start]))


def _floor_reads(material: Material) -> Iterator[bytes]:
    token = material.systems.token(material.senders[0])
    for row in _shuffled(material.floor_rows):
        yield http_request("GET", f"/floor/{row}", token)


def _floor_inserts(material: Material) -> Iterator[bytes]:
    """The same bodies as of `place`."""
    for sender, body in _referrals(material):
        yield http_request("POST", "/floor", material.systems.token(sender), body)


def _reads(material: Material) -> Iterator[bytes]:
    for request, sender in _shuffled(material.requests):
        yield http_request("GET", f"/fhir/ServiceRequest/{request}", material.systems.token(sender))


def _worklists(material: Material) -> Iterator[bytes]:
    for receiver in _shuffled(material.receivers):
        query = (
            f"owner=Organization/{receiver}&status={OPEN}&_sort=-_lastUpdated&_count=20&_include=Task:focus"
        )
        yield http_request("GET", f"/fhir/Task?{query}", material.systems.token(receiver))


def _names(material: Material) -> Iterator[bytes]:
    """By the whole name, in lower case and without marks, as people type it."""
    for name, owner in _shuffled(material.names):
        query = f"name={quote(name)}&_count=20"
        yield http_request("GET", f"/fhir/Patient?{query}", material.systems.token(owner))


def _chains(material: Material) -> Iterator[bytes]:
    """The referrals of a patient who is known by a number."""
    for number, owner in _shuffled(material.numbers):
        query = f"patient.identifier={quote(number)}&_count=20"
        yield http_request("GET", f"/fhir/ServiceRequest?{query}", material.systems.token(owner))


def _revincludes(material: Material) -> Iterator[bytes]:
    """A referral with its offers."""
    for request, sender in _shuffled(material.requests):
        query = f"_id={request}&_revinclude=Task:focus"
        yield http_request("GET", f"/fhir/ServiceRequest?{query}", material.systems.token(sender))


def _histories(material: Material) -> Iterator[bytes]:
    for request, sender in _shuffled(material.requests):
        address = f"/fhir/ServiceRequest/{request}/_history"
        yield http_request("GET", address, material.systems.token(sender))


def _possible_moves(material: Material) -> Iterator[bytes]:
    """What a sender may do now, and who owes the next step."""
    for request, sender in _shuffled(material.requests):
        address = f"/fhir/ServiceRequest/{request}/$moves"
        yield http_request("GET", address, material.systems.token(sender))


def _searches(material: Material) -> Iterator[bytes]:
    for patient, sender in _shuffled(material.patients):
        query = f"patient={quote(f'Patient/{patient}', safe='/')}&_count=20"
        yield http_request("GET", f"/fhir/ServiceRequest?{query}", material.systems.token(sender))


def _referrals(material: Material) -> Iterator[tuple[str, bytes]]:
    """Senders and the body of a new referral, all different."""
    marks = [f"Patient/{'0' * 36}", "S" * 40, "R" * 40]
    mark = story.MARK
    text = json.dumps(story.referral(mark, *marks)).replace("%", "%%")
    for value in (mark.order, mark.note, *marks):
        text = text.replace(value, "%s")
    # The order of the marks in the text: order, patient, sender, receiver, note.
    receivers = _shuffled(material.receivers)
    for patient, sender in _shuffled(material.patients):
        person = material.people.next()
        body = text % (person.order, f"Patient/{patient}", sender, next(receivers), person.note)
        yield sender, body.encode()


def _placings(material: Material, names: _Names) -> Iterator[bytes]:
    for sender, body in _referrals(material):
        token = material.systems.token(sender)
        yield http_request("POST", "/fhir/ServiceRequest", token, body, next(names))


def _transactions(material: Material, names: _Names) -> Iterator[bytes]:
    receivers = _shuffled(material.receivers)
    for sender in _shuffled(material.senders):
        body = story.as_bytes(story.transaction(material.people.next(), sender, next(receivers)))
        yield http_request("POST", "/fhir", material.systems.token(sender), body, next(names))


def _moves(material: Material, names: _Names) -> Iterator[bytes]:
    """Of each offer two moves: it is acknowledged, and accepted. One connection does both."""
    shape = material.maker.shapes["requested"]
    acknowledged: dict[str, Any] = json.loads(shape.task) | {"status": "received"}
    business = {"coding": [acknowledged["businessStatus"]["coding"][0] | {"code": "received"}]}
    accepted = acknowledged | {"status": "accepted", "businessStatus": business}
    bodies = [json.dumps(acknowledged), json.dumps(accepted)]
    while True:
        values = material.offers.pop()
        token = material.systems.token(values["receiver"])
        path = f"/fhir/Task/{values[shape.names.task]}"
        for version, body in enumerate(bodies, start=1):
            headers = f'If-Match: W/"{version}"\r\n{next(names)}'
            yield http_request("PUT", path, token, (body % values).encode(), headers)


def _questions(material: Material) -> Iterator[bytes]:
    """A draft of each station in turn, for a technique that hospitals have."""
    techniques = itertools.cycle(code for n, code in enumerate(country.TECHNIQUES) if n % 4)
    for asker in _shuffled(material.askers):
        body = story.as_bytes(story.question(asker, country.LIST, next(techniques)))
        token = material.systems.token(asker)
        yield http_request("POST", "/fhir/ServiceRequest/$suggest-targets", token, body)


def _roads(material: Material) -> Iterator[bytes]:
    """The bare Dijkstra from the same stations."""
    for asker in _shuffled(material.askers):
        number = asker.rpartition("-")[2]
        yield http_request("GET", f"/floor/roads/{number}", material.systems.token(asker))
