"""Many referrals at once: rows as the real write path leaves them, loaded by COPY.

One referral of each way (`story.WAYS`) is really placed over HTTP. The rows it left, in whatever tables and
columns this version has, are read back and become a template: what differs between two referrals (ids,
numbers, names, dates, facilities) is put in anew for each. So the seed cannot drift from the code.
"""

import itertools
import random
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from referral.actions.new_id import new_id
from referral.domain.number import referral_number
from referral.fhir.sounds import sound
from referral.fhir.text_keys import fold
from scripts.benchmark.stage import Systems, settle
from scripts.benchmark.story import MARK, WAYS, People, Person, Placed, place, with_order

SENDER, RECEIVER = "le-chan-health-station", "kien-an-hospital"
PREFIX = "HP"

# How many of 100 referrals went which way: 15 are open, as a worklist shows them.
SHARES: Final = {"requested": 5, "received": 3, "accepted": 4, "arrived": 3, "rejected": 15, "closed": 70}
_AT_ONCE: Final = 2000

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NUMBER = re.compile(rf"{PREFIX}\d{{9}}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00(?::00)?)")
_SEALER: Final = "hashtext('referral.seal_audit')"  # the lock of who seals the audit
# Not of the referral, though written while it was: who may ask, and for how long.
_LEFT_OUT: Final = ("access_token", "assertion_id", "client")


@dataclass(frozen=True, slots=True)
class Shape:
    """The rows of one referral of one way, as COPY text by table with `%(name)s` where referrals differ.

    ids: how many ids there are, named i0, i1, ...; `names` says which of them is the patient, the request and
    the task. instants: points in time by name, as microseconds after the first second, separator, precision.
    """

    way: str
    tables: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    task: str  # content of the Task, as JSON with the same marks
    ids: int
    names: Placed
    instants: Mapping[str, tuple[int, str, str]]


async def read_shapes(systems: Systems, owner: asyncpg.Connection) -> dict[str, Shape]:
    """Place a referral of each way, and read what they left."""
    begun, before = datetime.now(UTC).replace(microsecond=0), await _transaction_id(owner)
    placed = {}
    for way in WAYS:
        person = with_order(MARK, way)
        placed[way] = await place(systems, owner, way, sender=SENDER, receiver=RECEIVER, person=person)
    await settle()
    columns = await _columns(owner)
    left = {table: await _rows_since(owner, table, known, before) for table, known in columns.items()}
    return {way: await _shape(owner, way, found, (columns, left, begun)) for way, found in placed.items()}


async def _shape(
    owner: asyncpg.Connection,
    way: str,
    placed: Placed,
    rows: tuple[Mapping[str, tuple[str, ...]], Mapping[str, Sequence[str]], datetime],
) -> Shape:
    """The rows of one referral among all that were left: those that name one of its resources."""
    columns, left, begun = rows
    person = with_order(MARK, way)
    marks = _Marks(begun, person)
    query = "SELECT content::text FROM document WHERE type = 'Task' AND id = $1"
    task = marks.put(await owner.fetchval(query, placed.task))
    names = re.compile("|".join((placed.patient, placed.request, placed.task, *placed.others, person.order)))
    own = {table: [row for row in some if names.search(row)] for table, some in left.items()}
    tables = {table: marks.put("".join(some)) for table, some in own.items() if some}
    known = Placed(marks.ids[placed.patient], marks.ids[placed.request], marks.ids[placed.task])
    return Shape(
        way, tables, {table: columns[table] for table in tables}, task, len(marks.ids), known, marks.instants
    )


async def _transaction_id(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT pg_current_xact_id()::text::bigint"))


async def _columns(owner: asyncpg.Connection) -> dict[str, tuple[str, ...]]:
    """The tables that hold rows, with the columns that somebody gives: no counters, no transaction of now."""
    rows = await owner.fetch(
        "SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c"
        " JOIN pg_class p ON p.relname = c.table_name AND p.relnamespace = 'public'::regnamespace"
        " WHERE c.table_schema = 'public' AND p.relkind IN ('r', 'p') AND NOT p.relispartition"
        " AND c.is_identity = 'NO' AND c.is_generated = 'NEVER'"
        " AND coalesce(c.column_default, '') !~ 'pg_current_xact_id|nextval'"
        " AND c.table_name <> ALL ($1::text[])"
        " ORDER BY c.table_name, c.ordinal_position",
        list(_LEFT_OUT),
    )
    grouped = itertools.groupby(rows, key=lambda row: row["table"])
    return {table: tuple(row["column"] for row in some) for table, some in grouped}


async def _rows_since(
    owner: asyncpg.Connection, table: str, columns: Sequence[str], before: int
) -> list[str]:
    """Rows that transactions from that one on left, as lines of COPY text."""
    names = ", ".join(f'"{column}"' for column in columns)
    query = f'SELECT {names} FROM "{table}" WHERE xmin::text::bigint >= {before}'  # noqa: S608 - our own names
    found = bytearray()

    async def take(data: bytes) -> None:
        found.extend(data)

    await owner.copy_from_query(query, output=take)
    return found.decode().splitlines(keepends=True)


class _Marks:
    """Finds what differs between two referrals, and gives it a name."""

    def __init__(self, begun: datetime, person: Person) -> None:
        self._begun = begun
        born = date.fromisoformat(person.birth_date)
        self._texts = {
            SENDER: "sender",
            RECEIVER: "receiver",
            person.birth_date: "born",
            (born + timedelta(days=1)).isoformat(): "born_next",
            person.number: "number_of_patient",
            person.order: "number_of_order",
            person.note: "note",
            person.family: "family",
            fold(person.family): "family_folded",
            sound(person.family): "family_sounding",
            person.given: "given",
            fold(person.given): "given_folded",
            sound(person.given): "given_sounding",
        }
        self.ids: dict[str, str] = {}
        self.instants: dict[str, tuple[int, str, str]] = {}

    def put(self, text: str) -> str:
        """The text with names in place of what differs."""
        text = text.replace("%", "%%")
        text = _INSTANT.sub(self._instant, text)
        text = _ID.sub(lambda found: f"%({self.ids.setdefault(found[0], f'i{len(self.ids)}')})s", text)
        text = _NUMBER.sub("%(number)s", text)
        for value in sorted(self._texts, key=len, reverse=True):
            text = text.replace(value, f"%({self._texts[value]})s")
        return text

    def _instant(self, found: re.Match[str]) -> str:
        at = datetime.fromisoformat(f"{found[1]}T{found[3]}{(found[4] or '.0')[:7].ljust(7, '0')}+00:00")
        if abs(at - self._begun) > timedelta(hours=1):
            return found[0]
        microseconds = (at - self._begun) // timedelta(microseconds=1)
        precision = "seconds" if not found[4] else "milliseconds" if len(found[4]) == 4 else "microseconds"
        if found[2] == " ":
            precision = "microseconds"
        known = (microseconds, found[2], precision)
        name = f"t{microseconds}{'d' if found[2] == ' ' else precision[:2]}".replace("-", "m")
        self.instants[name] = known
        return f"%({name})s{found[5]}"


# Making many ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Maker:
    """Makes the values of referrals one after another. Two makers with one `seed` make the same."""

    shapes: Mapping[str, Shape]
    senders: Sequence[str]
    receivers: Sequence[str]
    seed: str
    first_number: int
    newest: datetime
    _people: People = field(init=False)
    _random: random.Random = field(init=False)
    _count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._people = People(self.seed)
        self._random = random.Random(self.seed)  # noqa: S311 - no secrets

    def make(self, way: str | None, age_seconds: int) -> tuple[Shape, dict[str, str]]:
        """One referral of a way (None: by SHARES) that began so long before `newest`."""
        shape = self.shapes[way or self._random.choices(tuple(SHARES), tuple(SHARES.values()))[0]]
        person = self._people.next()
        at = self.newest - timedelta(seconds=age_seconds)
        local = at.replace(tzinfo=None)
        values = {
            "sender": self._random.choice(self.senders),
            "receiver": self._random.choice(self.receivers),
            "number": referral_number(PREFIX, self.first_number + self._count),
            "born": person.birth_date,
            "born_next": (date.fromisoformat(person.birth_date) + timedelta(days=1)).isoformat(),
            "number_of_patient": person.number,
            "number_of_order": person.order,
            "note": person.note,
            "family": person.family,
            "family_folded": fold(person.family),
            "family_sounding": sound(person.family),
            "given": person.given,
            "given_folded": fold(person.given),
            "given_sounding": sound(person.given),
        }
        for n in range(shape.ids):
            values[f"i{n}"] = new_id(at)
        for name, (microseconds, separator, precision) in shape.instants.items():
            values[name] = (local + timedelta(microseconds=microseconds)).isoformat(separator, precision)
        self._count += 1
        return shape, values


async def load(
    owner: asyncpg.Connection, maker: Maker, count: int, *, way: str | None = None, days: float = 1
) -> list[dict[str, str]]:
    """Store so many over the `days` before the maker's newest; the values of those of a named `way`."""
    step = days * 86_400 / max(count, 1)
    made: list[dict[str, str]] = []
    for begin in range(0, count, _AT_ONCE):
        texts: dict[str, list[str]] = {}
        columns: dict[str, tuple[str, ...]] = {}
        for n in range(begin, min(begin + _AT_ONCE, count)):
            shape, values = maker.make(way, int((count - n) * step))
            columns |= shape.columns
            for table, text in shape.tables.items():
                texts.setdefault(table, []).append(text % values)
            if way is not None:
                made.append(values)
        async with owner.transaction():
            # Foreign keys are checked by triggers, one row at a time.
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute("SET LOCAL synchronous_commit = off")
            for table, some in texts.items():
                await owner.copy_to_table(table, source=_bytes(some), columns=columns[table])
    return made


async def _bytes(texts: Sequence[str]) -> AsyncIterator[bytes]:
    for begin in range(0, len(texts), 200):
        yield "".join(texts[begin : begin + 200]).encode()


@asynccontextmanager
async def sealed(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """What is loaded meanwhile counts as sealed, else the service would seal a year while it is measured."""
    await owner.execute(f"SELECT pg_advisory_lock({_SEALER})")
    try:
        yield
        await owner.execute(
            "UPDATE audit_progress SET adopting = NULL, (to_txid, to_seq) ="
            " (SELECT txid, seq FROM audit ORDER BY txid DESC, seq DESC LIMIT 1)"
        )
    finally:
        await owner.execute(f"SELECT pg_advisory_unlock({_SEALER})")
