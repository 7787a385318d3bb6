"""All checks of one store."""

from collections import Counter
from collections.abc import Iterable, Iterator

import asyncpg

from referral.actions.verify_audit import verify_audit
from scripts.store_check.bytes import check_bytes
from scripts.store_check.concerns import check_concerns
from scripts.store_check.deadlines import check_deadlines
from scripts.store_check.facts import Connection, Facts, read_facts
from scripts.store_check.index import check_documents
from scripts.store_check.journeys import check_journeys
from scripts.store_check.paths import check_paths
from scripts.store_check.readers import check_readers
from scripts.store_check.rows import check_rows
from scripts.store_check.versions import check_records, check_versions
from scripts.store_check.violation import Violation
from scripts.store_check.writes import Write, check_writes

_TOLD_OF_EACH = 10


async def check_store(connection: Connection, base: str, writes: Iterable[Write] = ()) -> list[Violation]:
    """Everything wrong with a store that nobody writes to now, or with its snapshot in a transaction.

    connection: of a role that sees every row, such as the owner. base: the address of the FHIR endpoint,
    with which references to this service may begin. writes: what clients remember.
    """
    facts = await read_facts(connection, base)
    found = list(_check(facts, writes))
    found += [violation async for violation in check_documents(connection, facts)]
    found += [violation async for violation in check_bytes(connection)]
    found += [violation async for violation in check_concerns(connection)]
    return found


def _check(facts: Facts, writes: Iterable[Write]) -> Iterator[Violation]:
    yield from check_versions(facts)
    yield from check_records(facts)
    yield from check_paths(facts)
    yield from check_rows(facts)
    yield from check_journeys(facts)
    yield from check_deadlines(facts)
    yield from check_readers(facts)
    yield from check_writes(facts, writes)


async def check_dsn(dsn: str, base: str, writes: Iterable[Write] = ()) -> list[Violation]:
    """`check_store` of one snapshot of a database, and the seals of its audit. Raises what asyncpg raises."""
    connection = await asyncpg.connect(dsn, server_settings={"jit": "off", "timezone": "UTC"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await check_store(connection, base, writes)
        report = await verify_audit(connection, None)
        return found + [Violation("audit-seal", "audit", fault) for fault in report.faults]
    finally:
        await connection.close()


def told(violations: Iterable[Violation]) -> Iterator[str]:
    """Lines for a person: of each kind the first few, and how many there are."""
    counted: Counter[str] = Counter()
    for violation in violations:
        counted[violation.kind] += 1
        if counted[violation.kind] <= _TOLD_OF_EACH:
            yield str(violation)
    for kind, times in counted.items():
        if times > _TOLD_OF_EACH:
            yield f"{kind}: {times} in all"
