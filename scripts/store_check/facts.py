"""What the checks hold against each other, read from one database in one snapshot.

Contents are not kept: of each version only what a check asks for. Memory grows with the number of versions,
by about 2 KB each.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import asyncpg

from referral.domain.lifecycle import OPEN_OFFER, OfferState
from referral.fhir import systems
from referral.fhir.elements import code_of
from referral.fhir.offer import named_parts
from referral.fhir.package import package_links, patient_of
from referral.fhir.references import every_reference, identifier_of, references_at, target_of
from referral.fhir.resources import CLINICAL

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Key = tuple[str, str]
Row = asyncpg.Record

MARK = re.compile(r"fault-run-[0-9a-f]{32}-[0-9]+")
"""What a client of a fault run writes into a resource, once for each write."""

_REPORTED = {"appointment", "preliminary"}
_NAMED_BY_IDENTIFIER = {"HealthcareService", "Organization", "Patient", "Practitioner"}
_VERSIONS = """
    SELECT type, id, version, updated_at, deleted, owner, txid || ' ' || updated_at AS tx,
      content::text AS content
    FROM document_version
    UNION ALL
    SELECT type, id, version, updated_at, deleted, owner, txid || ' ' || updated_at, content::text
    FROM document
    ORDER BY type, id, version
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource. `newest`: it stands in `document`, not in `document_version`."""

    number: int
    at: datetime
    owner: str
    tx: str
    """The transaction that wrote it: in a restored database its number alone may be that of two."""
    newest: bool
    deleted: bool
    patient: str | None
    links: tuple[Key, ...]
    """What it hands on to those who are given it."""
    about: tuple[Key, ...]
    """What a Communication is about; the summary that a Task brings."""
    brings: tuple[Key, ...]
    """Of a Task: the reports and appointments. Of a Communication: what its words name."""
    status: tuple[str, str | None]
    marks: frozenset[str]
    digest: bytes
    stamp: tuple[str, str, str, str]
    """resourceType, id, versionId and lastUpdated as the content says them."""


@dataclass(slots=True)
class Facts:
    """One store."""

    base: str
    versions: dict[Key, list[Version]] = field(default_factory=lambda: defaultdict(list))
    referrals: dict[str, Row] = field(default_factory=dict)
    offers: dict[str, Row] = field(default_factory=dict)
    identifiers: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """The senders' own numbers by their referral."""
    offers_of: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Offers by their referral."""
    aborts: dict[str, Row] = field(default_factory=dict)
    """Offers that somebody asked to stop, by the Task that asks."""
    answered: dict[str, Row] = field(default_factory=dict)
    """Offers of questions, by the Communication that answers."""
    asked: dict[str, Row] = field(default_factory=dict)
    """Offers of questions, by the Communication that asks."""
    based_on: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Referrals by the one that they rest on."""
    questions: list[Row] = field(default_factory=list)
    deadlines: dict[tuple[str, str], Row] = field(default_factory=dict)
    """What is owed, by referral and slot."""
    events: list[Row] = field(default_factory=list)
    moves: set[tuple[str, Key, str]] = field(default_factory=set)
    """Each event: its transaction, of what it is, and which move."""
    changes: list[Row] = field(default_factory=list)
    audits: list[Row] = field(default_factory=list)
    access: list[Row] = field(default_factory=list)
    readers: set[tuple[str, str]] = field(default_factory=set)
    """Facilities and referrals that they see, or saw."""
    journeys: dict[str, Row] = field(default_factory=dict)
    """Those of which something is told, by their number."""
    holders: Mapping[tuple[str, str], list[Key]] = field(default_factory=dict)
    """Who has a business identifier."""


def is_open(state: str) -> bool:
    """Whether an offer in this state holds its referral."""
    return state in OPEN_OFFER


def is_with_receiver(state: str) -> bool:
    """Whether the owner of an offer in this state has, or had, the patient or the choice."""
    return is_open(state) or state in {OfferState.COMPLETED, OfferState.CLOSED}


async def read_facts(connection: Connection, base: str) -> Facts:
    """Read everything but contents and index rows. `base`: the address of the FHIR endpoint."""
    facts = Facts(base)
    facts.holders = await _holders(connection)
    facts.access = await connection.fetch("SELECT * FROM access")
    facts.readers = {(row["facility"], row["id"]) for row in facts.access if row["type"] == "ServiceRequest"}
    newest = {
        (row["type"], row["id"]): row["version"]
        for row in await connection.fetch("SELECT type, id, version FROM document")
    }
    async with connection.transaction():
        async for row in connection.cursor(_VERSIONS, prefetch=500):
            key = (row["type"], row["id"])
            # A version that stands in both tables is met twice.
            seen = any(one.number == row["version"] for one in facts.versions[key])
            is_newest = newest.get(key) == row["version"] and not seen
            facts.versions[key].append(_version(facts, row, newest=is_newest))
    facts.referrals = {row["id"]: row for row in await connection.fetch("SELECT * FROM referral")}
    facts.offers = {row["id"]: row for row in await connection.fetch("SELECT * FROM offer")}
    for row in facts.referrals.values():
        if row["based_on"] is not None:
            facts.based_on[row["based_on"]].append(row["id"])
    for row in facts.offers.values():
        facts.offers_of[row["referral"]].append(row)
    for row in await connection.fetch("SELECT * FROM demand"):
        if row["kind"] == "abort":
            facts.aborts[row["id"]] = facts.offers[row["offer"]]
            continue
        facts.questions.append(row)
        facts.asked[row["id"]] = facts.offers[row["offer"]]
        if row["settled_by"] is not None:
            facts.answered[row["settled_by"]] = facts.offers[row["offer"]]
    for row in await connection.fetch("SELECT * FROM referral_identifier"):
        facts.identifiers[row["referral"]].append(row)
    facts.events = await connection.fetch("SELECT *, txid || ' ' || at AS tx FROM event ORDER BY seq")
    facts.moves = {(row["tx"], (row["type"], row["id"]), row["move"]) for row in facts.events}
    facts.changes = await connection.fetch("SELECT *, txid || ' ' || at AS tx FROM change ORDER BY seq")
    facts.audits = await connection.fetch(
        "SELECT at, actor, client, action, type, id, version, request_id FROM audit"
        " WHERE action IN ('create', 'update', 'delete') AND version IS NOT NULL ORDER BY seq"
    )
    deadlines = await connection.fetch("SELECT * FROM deadline")
    facts.deadlines = {(row["referral"], row["slot"]): row for row in deadlines}
    facts.journeys = {row["number"]: row for row in await connection.fetch("SELECT * FROM journey")}
    return facts


async def _holders(connection: Connection) -> dict[tuple[str, str], list[Key]]:
    found: dict[tuple[str, str], list[Key]] = defaultdict(list)
    rows = await connection.fetch(
        "SELECT DISTINCT type, id, system, code FROM search_token WHERE param = 'identifier'"
    )
    for row in rows:
        found[row["system"], row["code"]].append((row["type"], row["id"]))
    return found


def resolver(facts: Facts, owner: str, content: Mapping[str, Any]) -> Any:
    """Stands for `Workspace.resolve`: the one resource that an identifier in this content names."""
    types: dict[tuple[str, str], set[str]] = defaultdict(set)
    for reference in every_reference(dict(content)):
        named = identifier_of(reference)
        if named is not None:
            types[named] |= _types_of(reference, named[0])

    def resolve(system: str, value: str) -> Key | None:
        found = {
            key
            for key in facts.holders.get((system, value), ())
            if key[0] in types[system, value]
            # The referral of a stranger, whose number somebody heard, is nobody's for him.
            and (key[0] != "ServiceRequest" or (owner, key[1]) in facts.readers)
        }
        own = {
            key
            for key in found
            if (known := facts.versions.get(key)) is not None and known[-1].owner == owner
        }
        # The patient of another facility under the same number is not meant where one's own is.
        meant = own or {key for key in found if key[0] != "Patient"} or found
        return meant.pop() if len(meant) == 1 else None

    return resolve


def _types_of(reference: Mapping[str, Any], system: str) -> set[str]:
    """What a reference by an identifier may stand for: its type, or a referral for a number of the hub."""
    if isinstance(reference.get("type"), str):
        return {reference["type"]}
    return {"ServiceRequest"} if system == systems.REFERRAL_NUMBER_IDENTIFIER else _NAMED_BY_IDENTIFIER


def _version(facts: Facts, row: Row, *, newest: bool) -> Version:
    content = json.loads(row["content"], parse_float=str)
    kind, resolve = row["type"], resolver(facts, row["owner"], content)
    meta = content.get("meta", {})
    business = content.get("businessStatus", {}) if kind == "Task" else {}
    codes = [coding.get("code") for coding in business.get("coding", ())]
    return Version(
        number=row["version"],
        at=row["updated_at"],
        owner=row["owner"],
        tx=row["tx"],
        newest=newest,
        deleted=row["deleted"],
        patient=patient_of(kind, content, facts.base, resolve),
        links=tuple(package_links(kind, content, facts.base, resolve)),
        about=tuple(_about(kind, content, facts.base, resolve)),
        brings=tuple(_brings(kind, content, facts.base, resolve)),
        status=(content.get("status", ""), codes[0] if codes else None),
        marks=frozenset(MARK.findall(row["content"])),
        digest=digest_of(content),
        stamp=(
            *(content.get("resourceType", ""), content.get("id", "")),
            *(meta.get("versionId", ""), meta.get("lastUpdated", "")),
        ),
    )


def _about(kind: str, content: Mapping[str, Any], base: str, resolve: Any) -> Iterator[Key]:
    references = []
    if kind == "Communication":
        references = [found for name in ("basedOn", "partOf") for _, found in references_at(content, name)]
    elif kind == "Task":
        summary = named_parts(content, "output").get("summary", {}).get("valueReference")
        references = [summary] if summary else []
    for reference in references:
        target = target_of(reference, base, resolve)
        if target is not None:
            yield target


def _brings(kind: str, content: Mapping[str, Any], base: str, resolve: Any) -> Iterator[Key]:
    references = []
    if kind == "Communication":
        references = [part.get("contentReference") for part in content.get("payload", ())]
    elif kind == "Task":
        parts = [(code_of(part.get("type"), systems.TASK_OUTPUT), part) for part in content.get("output", ())]
        references = [part.get("valueReference") for name, part in parts if name in _REPORTED]
    for reference in references:
        target = target_of(reference, base, resolve)
        if target is not None and target[0] in CLINICAL:
            yield target


def digest_of(content: Any) -> bytes:
    """Equal for equal JSON, whatever the order of its keys. Parse it with `parse_float=str`."""
    return sha256(json.dumps(content, sort_keys=True).encode()).digest()[:12]
