"""Export the audit: its rows as AuditEvents, its seals as they stand."""

from collections.abc import AsyncIterator
from datetime import date, datetime

import orjson

from referral.fhir.audit_event import audit_event
from referral.fhir.content import write_content
from referral.store.audit_reading import find_rows, find_seals, note_export, one_moment, read_id_key
from referral.store.owner import OwnerConnection


async def export_events(
    connection: OwnerConnection, since: datetime, until: datetime, *, now: datetime, site: str, account: str
) -> AsyncIterator[str]:
    """The AuditEvents of `since` <= at < `until` as lines of JSON, in the order of their time.

    That they are read is recorded before. site: as of `audit_event`. account: who reads them on this machine.
    """
    await note_export(connection, now, f"since={since:%Y-%m-%d}&until={until:%Y-%m-%d}", account)
    key = await read_id_key(connection)
    async with one_moment(connection):
        async for row in find_rows(connection, since, until):
            yield write_content(audit_event(row, site, key)).decode()


async def export_seals(connection: OwnerConnection, first: date, last: date) -> AsyncIterator[str]:
    """The seals of these days as lines of JSON: {"day", "number", "rows", "hash"}."""
    async for seal in find_seals(connection, first, last):
        told = {"day": seal.day, "number": seal.number, "rows": seal.rows, "hash": seal.hash.hex()}
        yield orjson.dumps(told).decode()
