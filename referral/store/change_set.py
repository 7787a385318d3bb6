"""What a command loads and what it leaves: two calls of SQL functions, whatever the command does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
import orjson

from referral.domain.codes import Direction, Priority
from referral.domain.deadlines import Deadline, Slot
from referral.domain.journey import Journey
from referral.domain.lifecycle import ReferralState
from referral.domain.referral import Demand, DemandKind, Offer, Referral
from referral.store.owner import OwnerConnection
from referral.store.pool import Connection
from referral.store.replay import Answer, Once
from referral.store.statements import statement
from referral.store.typed_rows import read_deadline, read_demand, read_journey, read_offer

Key = tuple[str, str]
"""Type and id of a resource."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a facility says of a patient who turned up: number of the referral and birth date, as text."""

    number: str
    birth_date: str
    client: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a command needs to know before it decides.

    update: resources that it changes (locked). focus: referrals that it moves, or offers of them (locked).
    references: resources that it names. identifiers: (types, system, value) that stand for resources.
    numbers: how many referral numbers it may need. once: what makes it the same as one before.
    homes: offers of whose patients it must know where they live. reasons: it must know why what it moves was
    asked for.
    numbered: (system, value) of referrals that are named as in `focus`. passing: what it names it may give to
    others, so through what the actor sees it is asked, too.
    claim: instead of all this the referral that is claimed, and no other.
    """

    actor: str
    update: Sequence[Key] = ()
    focus: Sequence[str] = ()
    references: Sequence[Key] = ()
    identifiers: Sequence[tuple[Sequence[str], str, str]] = ()
    numbers: int = 0
    once: Once | None = None
    homes: Sequence[str] = ()
    reasons: bool = False
    claim: Claim | None = None
    numbered: Sequence[tuple[str, str]] = ()
    passing: bool = False


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A resource as it stands; `content` is JSON text.

    resolved: what the identifiers (system, value) in its references have stood for until now. at: when this
    version was written, where that was asked. patient: whom it was about, where it is deleted.
    """

    version: int
    owner: str
    visible: bool
    deleted: bool
    content: bytes
    resolved: Mapping[tuple[str, str], Key] = field(default_factory=dict)
    at: datetime | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class StoredReference:
    """A resource that is named: whether the actor sees it, and whom it is about or belongs to.

    codes: (system, code) of category, code and type, where they say what it is. born: of a Patient.
    starts: of an Appointment or a Slot. status: of an Appointment. identifiers: (system, value) of a Patient,
    where several are named. through: the offers and referrals by which alone the actor sees what is
    another's, where that was asked; empty where it sees it for good.
    """

    version: int
    owner: str
    visible: bool
    patient: str | None
    organization: str | None
    codes: frozenset[tuple[str, str]] = frozenset()
    identifiers: frozenset[tuple[str, str]] = frozenset()
    through: frozenset[str] = frozenset()
    born: datetime | None = None
    starts: datetime | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFacility:
    """A facility or an office. `memberships`: network id to tier, those in force today."""

    name: str | None
    active: bool
    office_of: str | None
    memberships: Mapping[str, str]

    @property
    def exists(self) -> bool:
        """Whether there is such a facility or office at all."""
        return self.name is not None or self.office_of is not None

    @property
    def networks(self) -> frozenset[str]:
        """The networks it acts in."""
        return frozenset(self.memberships) | ({self.office_of} if self.office_of else frozenset())


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A network: its name and the two letters of its numbers."""

    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class StoredReferral:
    """A referral with what its journey tells: the senders up to it, and who sent the patient down again.

    goes_on_to: who had sent the patient up before the actor, to whom this referral down brings him.
    deadlines: what is owed of it, what was last where that is over. replaced: it lapsed or was cancelled,
    and a new one was sent in its place.
    """

    row: Referral
    journey_senders: frozenset[str]
    returned_by: frozenset[str]
    goes_on_to: str | None = None
    deadlines: Mapping[Slot, Deadline] = field(default_factory=dict)
    replaced: bool = False


@dataclass(slots=True)
class Loaded:
    """The answer to a WriteRequest. replay: what this write was answered before; the rest is then empty.

    claimed: the referral of a claim; None where there is none. held: too many claims were tried of late.
    """

    documents: dict[Key, StoredDocument] = field(default_factory=dict)
    references: dict[Key, StoredReference] = field(default_factory=dict)
    identifiers: dict[tuple[str, str], list[Key]] = field(default_factory=dict)
    referrals: dict[str, StoredReferral] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    demands: dict[tuple[DemandKind, str], Demand] = field(default_factory=dict)
    facilities: dict[str, StoredFacility] = field(default_factory=dict)
    networks: dict[str, StoredNetwork] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    journeys: dict[str, Journey] = field(default_factory=dict)
    homes: dict[str, Any] = field(default_factory=dict)
    replay: Answer | None = None
    claimed: str | None = None
    held: bool = False

    def not_before(self, now: datetime) -> datetime:
        """The time of a command: now, but never before what it changes, though a clock was set back since."""
        return max([now, *(document.at for document in self.documents.values() if document.at)])


async def load_for_write(connection: Connection | OwnerConnection, request: WriteRequest) -> Loaded:
    """One message. Waits for a twin of this write, then takes the row locks of what is going to change.

    Raises BrokenRule when the Idempotency-Key was that of another request.
    """
    rows = await connection.fetch(statement("change_set", "load"), orjson.dumps(_asked(request)).decode())
    return _loaded(rows, request)


async def load_each(connection: Connection, requests: Sequence[WriteRequest]) -> list[Callable[[], Loaded]]:
    """As `load_for_write` for each of them, in one message; what is given reads their answers."""
    asked = orjson.dumps([_asked(request) for request in requests]).decode()
    found: list[list[asyncpg.Record]] = [[] for _ in requests]
    for row in await connection.fetch(statement("change_set", "load_each"), asked):
        found[row["n"] - 1].append(row)
    return [partial(_loaded, rows, request) for rows, request in zip(found, requests, strict=True)]


def _loaded(rows: Sequence[asyncpg.Record], request: WriteRequest) -> Loaded:
    loaded = Loaded()
    for row in rows:
        kind, key = row["kind"], (row["type"], row["id"])
        data = orjson.loads(row["data"]) if row["data"] else {}
        match kind:
            case "replay" if request.once:
                loaded.replay = request.once.read(data)
            case "document":
                loaded.documents[key] = StoredDocument(
                    row["version"],
                    row["owner"],
                    row["visible"],
                    data["deleted"],
                    row["content"].encode(),
                    {
                        (system, value): (kind, target)
                        for system, value, kind, target in data["resolved"] or ()
                    },
                    datetime.fromisoformat(data["at"]),
                    data["patient"],
                )
            case "reference":
                loaded.references[key] = StoredReference(
                    row["version"],
                    row["owner"],
                    row["visible"],
                    data["patient"],
                    data["organization"],
                    frozenset((system, code) for system, code in data["codes"] or ()),
                    frozenset((system, value) for system, value in data["identifiers"] or ()),
                    frozenset(data["through"] or ()),
                    born=_moment(data["born"]),
                    starts=_moment(data["starts"]),
                    status=data.get("status"),
                )
            case "identifier":
                loaded.identifiers.setdefault((data["system"], data["value"]), []).append(key)
            case "number":
                loaded.numbers.append(row["version"])
            case _:
                _take_row(loaded, kind, row["id"], data)
    return loaded


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _take_row(loaded: Loaded, kind: str, row_id: str, data: dict[str, Any]) -> None:
    """A typed row; what a newer schema tells besides is passed over."""
    match kind:
        case "referral":
            loaded.referrals[row_id] = _referral(data)
        case "offer":
            loaded.offers[row_id] = read_offer(data)
        case "demand":
            demand = read_demand(data)
            loaded.demands[demand.kind, demand.id] = demand
        case "claim":
            loaded.claimed, loaded.held = row_id, data["held"]
        case "facility":
            loaded.facilities[row_id] = StoredFacility(
                data["name"], bool(data["active"]), data["office_of"], data["memberships"]
            )
        case "journey":
            loaded.journeys[row_id] = read_journey(data)
        case "home":
            loaded.homes[row_id] = data["address"]
        case "network":
            loaded.networks[row_id] = StoredNetwork(data["name"], data["prefix"])


def _asked(request: WriteRequest) -> dict[str, Any]:
    """The argument of the SQL function `load_for_write`."""
    return {
        "actor": request.actor,
        "update": request.update,
        "focus": request.focus,
        "references": request.references,
        "identifiers": [
            {"types": types, "system": system, "value": value} for types, system, value in request.identifiers
        ],
        "numbers": request.numbers,
        **({"replay": request.once.asked()} if request.once else {}),
        **({"homes": request.homes} if request.homes else {}),
        **({"reasons": True} if request.reasons else {}),
        **({"claim": request.claim} if request.claim else {}),
        **({"numbered": request.numbered} if request.numbered else {}),
        **({"passing": True} if request.passing else {}),
    }


def _referral(data: dict[str, Any]) -> StoredReferral:
    senders, returned_by = data.pop("journey_senders"), data.pop("returned_by")
    goes_on_to = data.pop("goes_on_to", None)
    deadlines, replaced = [read_deadline(row) for row in data.pop("deadlines") or ()], data.pop("replaced")
    row = Referral(
        **data
        | {
            "state": ReferralState(data["state"]),
            "direction": Direction(data["direction"]),
            "priority": Priority(data["priority"]),
            "authored_on": datetime.fromisoformat(data["authored_on"]),
            "updated_at": datetime.fromisoformat(data["updated_at"]),
        }
    )
    return StoredReferral(
        row,
        frozenset(senders or ()),
        frozenset(returned_by or ()),
        goes_on_to,
        {deadline.slot: deadline for deadline in deadlines},
        replaced,
    )


@dataclass(slots=True)
class ChangeSet:
    """Everything that one transaction writes. Rows are in the order of the SQL function `apply_changes`.

    documents: type, id, version, at, deleted, owner, content (JSON bytes); kind, where that tells
    more: `put`, `restore`.
    tokens, references, dates, strings, quantities, positions: index rows, type and id first.
    rewritten: those of the last two that are written though they may be empty, since rows may stand there.
    events, audits: table rows as mappings. access: facility, type, id, scope, via, since.
    ended: facility, via, at, and whether the request goes with the package.
    packages: referral, offer, facility, sender, patient, at. given: via, facility, who gives, patient, at,
    type, id of what goes by itself, with what it is made of. attachments: type, id, at of what may have some
    and is written or given to others. late: type, id, at, whether it is what somebody names before it is
    there; else it is what may have been named before.
    identifiers: referral, sender, and the sender's own numbers as (system, value).
    journeys: rows of those whose loop stands otherwise now.
    directory: network, type, id. typed: rows of the network for `apply_directory`. replay: as `Once.kept`
    of each command.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    references: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    dates: list[tuple[str, str, str, datetime, datetime]] = field(default_factory=list)
    strings: list[tuple[str, str, str, str]] = field(default_factory=list)
    quantities: list[tuple[str, str, str, str, str, float, float]] = field(default_factory=list)
    positions: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    identifiers: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    access: list[tuple[str, str, str, str, str, datetime]] = field(default_factory=list)
    ended: list[tuple[str, str, datetime, bool]] = field(default_factory=list)
    packages: list[tuple[str, str, str, str, str, datetime]] = field(default_factory=list)
    journeys: list[dict[str, Any]] = field(default_factory=list)
    given: list[tuple[str, str, str, str, datetime, str, str]] = field(default_factory=list)
    attachments: list[tuple[str, str, datetime]] = field(default_factory=list)
    late: list[tuple[str, str, datetime, bool]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)
    directory: list[tuple[str, str, str]] = field(default_factory=list)
    typed: dict[str, list[Any]] = field(default_factory=dict)
    replay: list[dict[str, Any]] = field(default_factory=list)
    rewritten: set[str] = field(default_factory=set)

    def add(self, other: "ChangeSet") -> None:
        """Take in what another command writes, which has nothing to do with this one."""
        for name in _PARTS:
            if name != "typed":
                getattr(self, name).extend(getattr(other, name))
        for table, rows in other.typed.items():
            self.typed.setdefault(table, []).extend(rows)
        self.rewritten |= other.rewritten

    def parts(self) -> bytes:
        """As JSON for `apply_changes`: what is empty and not looked for is left out."""
        parts: dict[str, Any] = {}
        for name in _PARTS:
            rows = getattr(self, name)
            if rows or name in _ALWAYS or name in self.rewritten:
                parts[name] = rows
        parts["documents"] = [
            document | {"content": orjson.Fragment(document["content"])} for document in self.documents
        ]
        return orjson.dumps(parts)


_ALWAYS = ("documents", "tokens", "references", "dates", "strings", "access", "events", "audits")
_PARTS = tuple(name for name in ChangeSet.__slots__ if name != "rewritten")


async def apply_changes(connection: Connection, changes: ChangeSet) -> None:
    """One message. Raises StaleVersion when a document is no longer at the version it was loaded at."""
    await connection.execute(statement("change_set", "apply"), changes.parts().decode())
