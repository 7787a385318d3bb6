"""The audit as its owner reads it: rows to export, and seals beside the rows that they cover."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

import asyncpg

from referral.domain.audit import AuditRecord, AuditRow
from referral.store.owner import OwnerConnection
from referral.store.statements import statement

_AT_ONCE: Final = 1000
_NUMBERS: Final = 2**63


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as it stands. head: the text of its own that its hash covers. seqs: the rows that it names.

    marks: the first bytes of the sha256 of each row, `MARK` of them, in the order of seqs.
    ahead: its day or its time is still to come, by the clock of the database.
    """

    day: date
    number: int
    head: str
    rows: int
    seqs: Sequence[range]
    marks: bytes
    hash: bytes
    ahead: bool


MARK: Final = 8


class Unsealed(NamedTuple):
    """A row in no seal. passed: sealing had come beyond it, so that it cannot have been there then."""

    seq: int
    at: datetime
    passed: bool


@asynccontextmanager
async def one_moment(connection: OwnerConnection) -> AsyncIterator[None]:
    """Let everything read in the body stand as at one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


async def find_rows(connection: OwnerConnection, since: datetime, until: datetime) -> AsyncIterator[AuditRow]:
    """The rows of `since` <= at < `until`, in the order of their time. datetime.max: without a bound."""
    after: tuple[datetime, int] = (since, 0)
    while True:
        found = await connection.fetch(statement("audit", "rows"), *after, until, _AT_ONCE)
        for row in found:
            fields = {name: row[name] for name in AuditRecord._fields if name not in {"details", "patient"}}
            details = json.loads(row["details"]) if row["details"] else None
            yield AuditRow(row["seq"], AuditRecord(**fields, details=details), row["patient"])
        if len(found) < _AT_ONCE:
            return
        after = (found[-1]["at"], found[-1]["seq"])


async def find_seals(connection: OwnerConnection, first: date, last: date) -> AsyncIterator[Seal]:
    """The seals of these days, both of them too, in their order. date.min and date.max: without a bound."""
    after: tuple[date, int] = (first, 0)
    while True:
        found = await connection.fetch(statement("audit", "seals"), *after, last, _AT_ONCE)
        for row in found:
            seqs = [_rows_of(part) for part in row["seqs"]]
            texts = (row["head"], row["rows"], seqs, row["marks"], row["hash"])
            yield Seal(row["day"], row["number"], *texts, row["ahead"])
        if len(found) < _AT_ONCE:
            return
        after = (found[-1]["day"], found[-1]["number"])


def _rows_of(part: "asyncpg.Range[int]") -> range:
    """A range without an end, which no seal is made with, goes to that of the numbers."""
    low, high = part.lower, part.upper
    return range(-_NUMBERS if low is None else low, _NUMBERS if high is None else high)


async def seal_before(connection: OwnerConnection, day: date) -> bytes:
    """The hash of the last seal before a day; empty where there is none."""
    found: bytes | None = await connection.fetchval(statement("audit", "seal_before"), day)
    return found or b""


async def find_lines(connection: OwnerConnection, seal: Seal) -> dict[int, str]:
    """The text of each row that a seal names and that is there."""
    lows, highs = [part.start for part in seal.seqs], [part.stop for part in seal.seqs]
    rows = await connection.fetch(statement("audit", "lines"), lows, highs)
    return {row["seq"]: row["line"] for row in rows}


async def find_overlap(connection: OwnerConnection) -> tuple[date, int] | None:
    """A seal that names a row which an earlier one names too."""
    row = await connection.fetchrow(statement("audit", "overlap"))
    return None if row is None else (row["day"], row["number"])


async def find_unsealed(
    connection: OwnerConnection, first: datetime, last: datetime
) -> AsyncIterator[Unsealed]:
    """The rows of `first` <= at < `last` that are in no seal."""
    async for row in connection.cursor(statement("audit", "unsealed"), first, last, prefetch=_AT_ONCE):
        yield Unsealed(row["seq"], row["at"], row["passed"])


async def read_id_key(connection: OwnerConnection) -> bytes:
    """The secret behind the ids of AuditEvents."""
    key: bytes = await connection.fetchval(statement("audit", "id_key"))
    return key


async def note_export(connection: OwnerConnection, now: datetime, query: str, account: str) -> None:
    """Leave a row that somebody with the owner's rights reads the audit."""
    await connection.execute(statement("audit", "note_export"), now, query, json.dumps({"account": account}))
