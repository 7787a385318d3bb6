"""Verify the audit: each seal against the one before it and its rows, each row against the seals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Final

from referral.fhir.opaque_id import AUDIT_ROW, opaque_id
from referral.store.audit_reading import (
    MARK,
    Seal,
    find_lines,
    find_overlap,
    find_seals,
    find_unsealed,
    one_moment,
    read_id_key,
    seal_before,
)
from referral.store.owner import OwnerConnection

MOST_FAULTS: Final = 20

SealKey = tuple[date, int]


@dataclass(slots=True)
class AuditReport:
    """What was found. faults: lines for a person, `MOST_FAULTS` at most; none: everything agrees.

    unsealed: rows too young to be sealed yet, the oldest of which is of `unsealed_since`. key: of the ids of
    rows.
    """

    key: bytes

    days: int = 0
    seals: int = 0
    rows: int = 0
    unsealed: int = 0
    unsealed_since: datetime | None = None
    faults: list[str] = field(default_factory=list)

    def fault(self, line: str) -> None:
        """Note what does not agree."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(line)

    def row(self, seq: int) -> str:
        """A row by its number, and by the id that it has in exports."""
        return f"row {seq} (AuditEvent {opaque_id(self.key, AUDIT_ROW, seq)})"


async def verify_audit(
    connection: OwnerConnection, day: date | None, kept: Mapping[SealKey, str] | None = None
) -> AuditReport:
    """Compute all seals again, or those of one day on the word of the day before.

    kept: hashes of seals (in hex) that were exported earlier; each must still be there.
    """
    report = AuditReport(await read_id_key(connection))
    first, last = (day, day) if day is not None else (date.min, date.max)
    missed = {key: value for key, value in (kept or {}).items() if first <= key[0] <= last}
    async with one_moment(connection):
        before, place, ahead = await seal_before(connection, first), (first, 0), False
        async for seal in find_seals(connection, first, last):
            if seal.number != (place[1] + 1 if seal.day == place[0] else 1):
                report.fault(f"{seal.day}, seal {seal.number}: the seal before it is missing")
            if _counts_its_rows(seal):
                _check_seal(report, seal, before, await find_lines(connection, seal))
            else:
                report.fault(f"{seal.day}, seal {seal.number}: the list of its rows was changed")
            if seal.ahead and not ahead:
                # Only the first: days never go back, so all that follow would hide what else is wrong.
                report.fault(f"{seal.day}, seal {seal.number}: its day or time lies in the future")
            ahead = ahead or seal.ahead
            report.days += seal.day != place[0] or place[1] == 0
            report.seals += 1
            report.rows += seal.rows
            before, place = seal.hash, (seal.day, seal.number)
            if missed.pop(place, seal.hash.hex()) != seal.hash.hex():
                report.fault(f"{seal.day}, seal {seal.number}: it is not the one that was exported")
        for lost_day, number in sorted(missed):
            report.fault(f"{lost_day}, seal {number}: it was exported, and is not there any more")
        overlap = await find_overlap(connection)
        if overlap is not None:
            report.fault(f"{overlap[0]}, seal {overlap[1]}: another seal has a row of it too")
        await _check_unsealed(report, connection, first, last)
    return report


def _counts_its_rows(seal: Seal) -> bool:
    """Whether it names as many rows as it says; told by the ends of the ranges, which may be anything."""
    named = sum(part.stop - part.start for part in seal.seqs)
    return named == seal.rows == len(seal.marks) // MARK


def _check_seal(report: AuditReport, seal: Seal, before: bytes, lines: Mapping[int, str]) -> None:
    """A changed row is told by its mark; where marks were changed too, by the hash of the seal."""
    where = f"{seal.day}, seal {seal.number}"
    seqs = list(chain.from_iterable(seal.seqs))
    agrees = True
    for place, seq in enumerate(seqs):
        line = lines.get(seq)
        if line is None:
            report.fault(f"{where}: {report.row(seq)} is gone")
        elif sha256(line.encode()).digest()[:MARK] != seal.marks[place * MARK : (place + 1) * MARK]:
            report.fault(f"{where}: {report.row(seq)} was changed")
        else:
            continue
        agrees = False
    text = "".join(f"{lines[seq]}\n" for seq in seqs) if agrees else ""
    if agrees and sha256(before + f"{seal.head}\n{text}".encode()).digest() != seal.hash:
        report.fault(f"{where}: it does not agree with its rows and the seal before it")


async def _check_unsealed(report: AuditReport, connection: OwnerConnection, first: date, last: date) -> None:
    since = datetime.combine(first, datetime.min.time(), UTC)
    until = datetime.max.replace(tzinfo=UTC)
    if last < date.max:
        until = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)
    async for row in find_unsealed(connection, since, until):
        if row.passed:
            named = f"{row.at:%Y-%m-%d}, {report.row(row.seq)}"
            report.fault(f"{named}: it is in no seal, and came after its turn")
            continue
        report.unsealed += 1
        report.unsealed_since = min(row.at, report.unsealed_since or row.at)
