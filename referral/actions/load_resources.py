"""Load many resources for one facility: each by the rules of a create or an update, many to a transaction.

What is refused is refused by itself: a part that fails is tried again in halves. What is there already, and
the same, is left alone: so a load that was broken off is begun again. What names something that comes later
is tried once more at the end.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from referral.actions.attach import with_bytes
from referral.actions.draft import Draft, Written
from referral.actions.referral_rules import RulesOf, rules_in
from referral.actions.refresh_network import refresh_network
from referral.actions.write_resources import write_resources
from referral.domain.actor import Actor
from referral.domain.attachment import AttachmentRules
from referral.domain.errors import (
    BrokenRule,
    DomainError,
    Duplicate,
    InvalidElement,
    MissingElement,
    NotSupported,
    StoreUnavailable,
    TooLarge,
)
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.fhir.attachment import BINARY
from referral.fhir.content import read_content, reread_content
from referral.fhir.offer import is_offer
from referral.fhir.primitives import ID
from referral.fhir.referral import is_referral, own_numbers
from referral.fhir.resources import STORED, check_written
from referral.fhir.validation import check_resource
from referral.network.snapshot import SnapshotHolder
from referral.store.blob import find_blobs
from referral.store.change_set import Key
from referral.store.document import find_standing
from referral.store.pool import Store
from referral.store.replay import Answer

LOAD_CLIENT: Final = "load"
_OF_THE_VERSION: Final = frozenset({"versionId", "lastUpdated"})
_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
# What is refused for what it names waits for the end, as long as it is not too much to be held.
_MOST_WAITING: Final = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One resource as it stands in a file. place: such as `patients.ndjson:17`. is_long: it is cut off."""

    place: str
    body: bytes
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not taken, and why. key: type and id, where they could be read."""

    line: Line
    key: Key | None
    error: DomainError


@dataclass(slots=True)
class LoadReport:
    """How many lines became what."""

    created: int = 0
    updated: int = 0
    same: int = 0
    refused: int = 0

    @property
    def done(self) -> int:
        """All of them."""
        return self.created + self.updated + self.same + self.refused


@dataclass(frozen=True, slots=True)
class _Item:
    line: Line
    draft: Draft


@dataclass(slots=True)
class _Part:
    items: list[_Item] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.items or self.refused)


async def load_resources(
    store: Store,
    lines: Iterable[Line],
    *,
    facility: FacilityId,
    base: str,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
    attachments: AttachmentRules,
    refuse: Callable[[Refused], None],
    tell: Callable[[LoadReport], None],
) -> LoadReport:
    """Load all lines on behalf of a facility, or of the office of a network.

    base: address of the FHIR endpoint. refuse is told of each line that is not taken, tell of the progress.
    Raises StoreUnavailable, and what reading the lines raises: what was loaded before stays.
    """
    actor = Actor(facility, LOAD_CLIENT, read_scopes("system/*.cruds"))
    snapshots = SnapshotHolder()
    await refresh_network(store, snapshots)
    load = _Load(store, actor, base, now, new_id, attachments, refuse, tell, rules_in(snapshots))
    await load.run(iter(lines))
    return load.report


@dataclass(slots=True)
class _Load:
    store: Store
    actor: Actor
    base: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    attachments: AttachmentRules
    refuse: Callable[[Refused], None]
    tell: Callable[[LoadReport], None]
    rules: RulesOf
    report: LoadReport = field(default_factory=LoadReport)
    waiting: list[Refused] = field(default_factory=list)
    left: Line | None = None

    async def run(self, lines: Iterator[Line]) -> None:
        await self.all_of(lines)
        # As long as some of it finds what it names.
        while self.waiting:
            again, self.waiting = self.waiting, []
            before = self.report.done
            await self.all_of(refused.line for refused in again)
            if self.report.done == before:
                break
        for refused in self.waiting:
            self.count_refused(refused)
        self.tell(self.report)

    async def all_of(self, lines: Iterator[Line]) -> None:
        """Reads and checks the next part while the database works on this one."""
        coming = asyncio.create_task(asyncio.to_thread(self.prepare, lines))
        try:
            while part := await coming:
                coming = asyncio.create_task(asyncio.to_thread(self.prepare, lines))
                for refused in part.refused:
                    self.count_refused(refused)
                items = await self.new_ones(part.items)
                await self.write(items)
                self.tell(self.report)
        finally:
            # A thread ends by itself alone.
            with suppress(Exception):
                await coming

    def prepare(self, lines: Iterator[Line]) -> _Part:
        """The next lines as drafts, each resource once."""
        part, size = _Part(), 0
        keys: set[Key] = set()
        while len(part.items) + len(part.refused) < _AT_ONCE and size < _BYTES_AT_ONCE:
            line, self.left = self.left or next(lines, None), None
            if line is None:
                break
            if line.is_long:
                too_large = TooLarge(f"A line has at most {len(line.body)} bytes.")
                part.refused.append(Refused(replace(line, body=b""), None, too_large))
                continue
            content: dict[str, Any] = {}
            try:
                content = read_content(line.body)
                draft = self.draft(line, content)
            except DomainError as error:
                part.refused.append(Refused(line, _named(content), error))
                continue
            if draft.key in keys:
                self.left = line
                break
            keys.add(draft.key)
            size += len(line.body)
            part.items.append(_Item(line, draft))
        return part

    def draft(self, line: Line, content: dict[str, Any], *, is_checked: bool = False) -> Draft:
        """A line as a create or an update. Raises DomainError."""
        kind = content.get("resourceType")
        if not isinstance(kind, str):
            raise MissingElement("A line is a resource, with its resourceType.", "resourceType")
        check_written(kind)
        if not is_checked:
            check_resource(kind, content)
        if kind == "Task" and is_offer(content):
            raise NotSupported("Offers are not loaded: they are made, and answered, one by one.", kind)
        if kind == "ServiceRequest" and is_referral(content):
            if not own_numbers(content):
                text = "A referral is loaded with an identifier of yours, by which it is known the next time."
                raise MissingElement(text, "ServiceRequest.identifier")
            return Draft(kind, self.new_id(), content, is_create=True)
        # The same line has the same one the next time.
        name = content.get("id") or sha256(self.actor.facility.encode() + b"\n" + line.body).hexdigest()[:32]
        if not ID.fullmatch(name):
            raise InvalidElement("An id has 1 to 64 of A-Z, a-z, 0-9, '-' and '.'.", f"{kind}.id")
        content["id"] = name
        return with_bytes(Draft(kind, name, content, is_create=False), self.attachments)

    async def new_ones(self, items: Sequence[_Item]) -> list[_Item]:
        """Those that are not there, or there otherwise; the others are counted."""
        keys = [item.draft.key for item in items if not item.draft.is_create]
        standing = await find_standing(self.store, self.actor.facility, keys) if keys else {}
        binaries = [name for kind, name in standing if kind == BINARY]
        async with self.store.reading(self.actor.facility) as connection:
            blobs = await find_blobs(connection, binaries)
        wanted = []
        for item in items:
            before, draft = standing.get(item.draft.key), item.draft
            held = blobs.get(draft.id) if draft.blob is not None else None
            is_same = before is not None and _said(reread_content(before.encode())) == _said(draft.content)
            if is_same and (draft.blob is None or (held is not None and held.sha1 == draft.blob.sha1)):
                self.report.same += 1
            else:
                wanted.append(item)
        return wanted

    async def write(self, items: Sequence[_Item]) -> None:
        """In one transaction; where that is refused, in two."""
        if not items:
            return
        made: list[bool] = []

        def render(written: list[Written]) -> Answer:
            made.extend(one.created for one in written)
            return Answer(200, {}, b"")

        try:
            await write_resources(
                self.store,
                [item.draft for item in items],
                actor=self.actor,
                base=self.base,
                now=self.now(),
                new_id=self.new_id,
                request_id=None,
                render=render,
                attachments=self.attachments,
                rules=self.rules,
            )
        except StoreUnavailable:
            raise
        except DomainError as error:
            if len(items) == 1:
                self.refused(Refused(items[0].line, items[0].draft.key, error))
                return
            half = len(items) // 2
            # Deciding changes drafts.
            fresh = [self.again(item) for item in items]
            await self.write(fresh[:half])
            await self.write(fresh[half:])
        else:
            self.report.created += sum(made)
            self.report.updated += len(made) - sum(made)

    def again(self, item: _Item) -> _Item:
        draft = self.draft(item.line, reread_content(item.line.body), is_checked=True)
        return replace(item, draft=draft)

    def refused(self, refused: Refused) -> None:
        """What is refused by the store, and not for its content alone."""
        if (
            isinstance(refused.error, Duplicate)
            and refused.key is not None
            and refused.key[0] == "ServiceRequest"
        ):
            self.report.same += 1
        elif isinstance(refused.error, BrokenRule) and len(self.waiting) < _MOST_WAITING:
            self.waiting.append(refused)
        else:
            self.count_refused(refused)

    def count_refused(self, refused: Refused) -> None:
        self.report.refused += 1
        self.refuse(refused)


def _named(content: dict[str, Any]) -> Key | None:
    kind, name = content.get("resourceType"), content.get("id")
    if kind in STORED and isinstance(name, str) and ID.fullmatch(name):
        return str(kind), name
    return None


def _said(content: dict[str, Any]) -> dict[str, Any]:
    """The content without what the hub says of the version."""
    meta = {name: value for name, value in content.get("meta", {}).items() if name not in _OF_THE_VERSION}
    rest = {name: value for name, value in content.items() if name != "meta"}
    return rest | {"meta": meta} if meta else rest
