"""Index rows are exactly what `index_rows` and the hub's own links make of the newest content."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from referral.fhir.content import read_content
from referral.fhir.package import package_links, patient_of
from referral.fhir.references import identifier_of
from referral.fhir.search_index import index_rows
from scripts.store_check.facts import Connection, Facts, Key, resolver
from scripts.store_check.rows import check_document, check_identifiers
from scripts.store_check.violation import Violation

_BATCH = 500
_TABLES = {
    "search_token": ("param", "system", "code"),
    "search_reference": ("param", "target_type", "target_id", "open_status", "updated_at"),
    "search_date": ("param", "low", "high"),
    "search_string": ("param", "folded"),
    "search_quantity": ("param", "system", "code", "low", "high"),
    "search_position": ("param", "latitude", "longitude"),
}
# What a worklist goes by: references to these parties, as long as the resource has one of these statuses.
_PARTIES = {"owner", "performer", "requester"}
_NOT_ENDED = {"draft", "active", "requested", "received", "accepted", "ready", "in-progress", "on-hold"}


async def check_documents(connection: Connection, facts: Facts) -> AsyncIterator[Violation]:
    """Every newest content against its index rows and its typed row."""
    last = ("", "")
    while batch := await connection.fetch(
        "SELECT type, id, owner, deleted, content::text FROM document WHERE (type, id) > ($1, $2)"
        " ORDER BY type, id LIMIT $3",
        *(*last, _BATCH),
    ):
        keys = [(row["type"], row["id"]) for row in batch]
        stored = {table: await _stored(connection, table, last, keys[-1]) for table in _TABLES}
        for row in batch:
            key = (row["type"], row["id"])
            content = read_content(row["content"].encode())
            wanted = _wanted(facts, key, row["owner"], content, deleted=row["deleted"])
            for violation in _check_index(key, wanted, stored):
                yield violation
            for violation in check_document(facts, *key, content):
                yield violation
            if key[0] == "ServiceRequest" and key[1] in facts.referrals:
                for violation in check_identifiers(facts, key[1], content):
                    yield violation
        last = keys[-1]
    for table in _TABLES:
        for row in await connection.fetch(
            f"SELECT DISTINCT type, id FROM {table} s"  # noqa: S608 - a name of ours
            " WHERE NOT EXISTS (SELECT FROM document d WHERE d.type = s.type AND d.id = s.id)"
        ):
            text = "has index rows and no document"
            yield Violation("index-unfounded", f"{row['type']}/{row['id']}", f"{text} ({table})")


async def _stored(
    connection: Connection, table: str, after: Key, last: Key
) -> dict[Key, Counter[tuple[Any, ...]]]:
    columns = _TABLES[table]
    found: dict[Key, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    for row in await connection.fetch(
        f"SELECT type, id, {', '.join(columns)} FROM {table}"  # noqa: S608 - names of ours
        " WHERE (type, id) > ($1, $2) AND (type, id) <= ($3, $4)",
        *(*after, *last),
    ):
        found[row["type"], row["id"]][tuple(row[column] for column in columns)] += 1
    return found


def _check_index(
    key: Key,
    wanted: Mapping[str, list[tuple[Any, ...]]],
    stored: Mapping[str, Mapping[Key, Counter[tuple[Any, ...]]]],
) -> Iterator[Violation]:
    where = "/".join(key)
    for table, rows in wanted.items():
        found = stored[table].get(key, Counter())
        for row in sorted(set(rows) - set(found), key=repr):
            yield Violation("index-missing", where, f"{table}: {_told(row)}")
        for row in sorted(set(found) - set(rows), key=repr):
            yield Violation("index-extra", where, f"{table}: {_told(row)}")
        for row, times in found.items():
            if times > 1:
                yield Violation("index-doubled", where, f"{table}: {_told(row)}, {times} times")


def _told(row: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in row)


def _wanted(
    facts: Facts, key: Key, owner: str, content: dict[str, Any], *, deleted: bool
) -> dict[str, list[tuple[Any, ...]]]:
    resolve = resolver(facts, owner, content)
    if deleted:
        # Found by nothing; the audit goes on knowing whom it was about.
        about = patient_of(key[0], content, facts.base, resolve)
        told = [] if about is None else [("_patient", "Patient", about, None, None)]
        return {table: told if table == "search_reference" else [] for table in _TABLES}
    resolved = {named: target for named in _identifiers(content) if (target := resolve(*named)) is not None}
    rows = index_rows(key[0], content, base=facts.base, resolved=resolved)
    references = list(rows.references)
    references += [("_package", *link) for link in package_links(key[0], content, facts.base, resolve)]
    patient = patient_of(key[0], content, facts.base, resolve)
    if patient is not None:
        references.append(("_patient", "Patient", patient))
    if key[0] == "Task" and key[1] in facts.offers:
        offer = facts.offers[key[1]]
        references.append(("owner", "Organization", offer["owner"]))
        references.append(("requester", "Organization", offer["requester"]))
    if key[0] == "ServiceRequest" and key[1] in facts.referrals:
        references.append(("requester", "Organization", facts.referrals[key[1]]["sender"]))
    return {
        "search_token": list(rows.tokens),
        "search_reference": [(*row, *_worklist(facts, key, content, row)) for row in references],
        "search_date": list(rows.dates),
        "search_string": list(rows.strings),
        "search_quantity": list(rows.quantities),
        "search_position": list(rows.positions),
    }


def _worklist(facts: Facts, key: Key, content: Mapping[str, Any], row: tuple[str, ...]) -> tuple[Any, Any]:
    """Status and time of what has not ended, in the rows that name a party; else neither."""
    param, target_type, _ = row
    of_a_party = param in _PARTIES and target_type == "Organization"
    if key[0] in {"ServiceRequest", "Task"} and of_a_party and content.get("status") in _NOT_ENDED:
        return content["status"], facts.versions[key][-1].at
    return None, None


def _identifiers(value: Any) -> Iterator[tuple[str, str]]:
    """Every identifier that stands for a resource, anywhere below a value."""
    if isinstance(value, Mapping):
        if isinstance(value.get("identifier"), Mapping):
            named = identifier_of(value)
            if named is not None:
                yield named
        for below in value.values():
            yield from _identifiers(below)
    elif isinstance(value, list):
        for below in value:
            yield from _identifiers(below)
