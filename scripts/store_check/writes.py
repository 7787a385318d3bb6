"""What clients remember of their writes, held against the store."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from scripts.store_check.facts import Facts, Key
from scripts.store_check.violation import Violation


class Outcome(StrEnum):
    """What a client knows of a write: told that it is done, told that it is not, or told nothing."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """A resource as the answer to a write tells it. digest: of its content; empty where none was sent."""

    key: Key
    version: int
    digest: bytes = b""


@dataclass(slots=True)
class Write:
    """One write, whatever it took to send. Its part n carries the mark `<mark>-<n>`.

    types: of its parts. target: what an update changes, and the version that it is a change of.
    seen: a later read showed it, whatever the answer was. event: the move that it asks for.
    What has no parts, such as a claim, leaves no mark: only what it was told is looked for.
    """

    mark: str
    work: str
    types: tuple[str, ...]
    target: tuple[Key, int] | None = None
    outcome: Outcome = Outcome.UNKNOWN
    status: int | None = None
    told: tuple[Told, ...] = ()
    tries: int = 0
    replayed: bool = False
    seen: bool = False
    event: str | None = None

    def marks(self) -> list[str]:
        """The mark of each part."""
        return [f"{self.mark}-{part}" for part in range(len(self.types))]


@dataclass(slots=True)
class Journal:
    """All writes of a run, in the order in which they were first sent."""

    writes: list[Write] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """How many ended so."""
        return sum(write.outcome is outcome for write in self.writes)


def check_writes(facts: Facts, writes: Iterable[Write]) -> Iterator[Violation]:
    """What was acknowledged is there once, as told; what was refused is not; the rest whole or not at all."""
    stored = _stored(facts)
    known: set[str] = set()
    for write in writes:
        known.update(write.marks())
        yield from _check_write(facts, write, stored)
    for mark, places in stored.items():
        if mark not in known and known:
            yield Violation("write-unsent", _where(places[0][0]), f"holds {mark}, which nobody sent")


def _check_write(facts: Facts, write: Write, stored: dict[str, list[tuple[Key, int]]]) -> Iterator[Violation]:
    if not write.types:
        yield from _check_told(facts, write, [(told.key, told.version) for told in write.told])
        return
    found = []
    for mark, kind in zip(write.marks(), write.types, strict=True):
        places = [place for place in stored.get(mark, ()) if place[0][0] == kind]
        if len(places) > 1:
            text = f"{write.work} ({write.outcome}) stands in {_listed(places)}"
            yield Violation("write-doubled", _where(places[0][0]), text)
        found.append(places[:1])
    there = sum(map(len, found))
    if 0 < there < len(found):
        text = f"{there} of its {len(found)} parts are there ({write.outcome})"
        yield Violation("write-half", f"{write.work} {write.mark}", text)
    elif write.outcome is Outcome.REFUSED and there:
        text = f"{write.work} was refused ({write.status}) and stands in version {found[0][0][1]}"
        yield Violation("write-refused", _where(found[0][0][0]), text)
    elif not there and (write.outcome is Outcome.ACKNOWLEDGED or write.seen):
        where = _where(write.told[0].key) if write.told else f"{write.work} {write.mark}"
        yield Violation("write-lost", where, f"{write.work} ({write.status}) is nowhere")
    elif there:
        yield from _check_told(facts, write, [place for places in found for place in places])


def _check_told(facts: Facts, write: Write, places: list[tuple[Key, int]]) -> Iterator[Violation]:
    if write.target is not None:
        key, before = write.target
        if places[0] != (key, before + 1):
            text = f"{write.work} changed version {before} of {_where(key)}, and stands in {_listed(places)}"
            yield Violation("write-elsewhere", _where(key), text)
    for told, place in zip(write.told, places, strict=False):
        if (told.key, told.version) != place:
            text = (
                f"{write.work} was told as {_listed([(told.key, told.version)])}, and is {_listed([place])}"
            )
            yield Violation("write-elsewhere", _where(told.key), text)
            continue
        version = next((one for one in facts.versions.get(told.key, ()) if one.number == told.version), None)
        if version is None:
            yield Violation(
                "write-lost", _where(told.key), f"{write.work} was told as version {told.version}"
            )
            continue
        if write.event and (version.tx, told.key, write.event) not in facts.moves:
            text = f"{write.work} was told as version {told.version}, and there was no such move"
            yield Violation("write-unmoved", _where(told.key), text)
        if told.digest and version.digest != told.digest:
            text = f"version {told.version} is not what the answer to {write.work} said"
            yield Violation("write-altered", _where(told.key), text)


def _stored(facts: Facts) -> dict[str, list[tuple[Key, int]]]:
    """Where each mark came into the store: the first version of a resource that has it."""
    found: dict[str, list[tuple[Key, int]]] = defaultdict(list)
    for key, versions in facts.versions.items():
        before: frozenset[str] = frozenset()
        for version in versions:
            for mark in version.marks - before:
                found[mark].append((key, version.number))
            before = version.marks
    return found


def _where(key: Key) -> str:
    return "/".join(key)


def _listed(places: Iterable[tuple[Key, int]]) -> str:
    return ", ".join(f"version {number} of {_where(key)}" for key, number in places)
