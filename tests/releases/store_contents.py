"""What a database holds, and what its facilities see of it over HTTP."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import asyncpg

from tests.factories import Resource
from tests.releases.release import Door

Rows = dict[str, Counter[str]]

# Rows that end by themselves, or that every command or the sealer counts on.
_PASSING = ("access_token", "assertion_id", "audit_progress", "network_version", "schema_revision")


async def columns_of(dsn: str) -> dict[str, list[str]]:
    """The columns of every table."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relname <> ALL ($1::text[]) GROUP BY c.relname",
        _PASSING,
    )
    await connection.close()
    return {row["name"]: row["columns"] for row in rows}


async def rows_of(dsn: str, columns: dict[str, list[str]]) -> Rows:
    """The rows of these columns, as text. The database is read by one who sees everything."""
    connection = await asyncpg.connect(dsn)
    found = {}
    for table, names in columns.items():
        listed = ", ".join(f'"{name}"' for name in names)
        rows = await connection.fetch(f"SELECT md5(ROW({listed})::text) FROM {table}")
        found[table] = Counter(row[0] for row in rows)
    await connection.close()
    return found


def lost(before: Rows, after: Rows) -> dict[str, int]:
    """Tables and how many rows are not there any more as they were."""
    missing = {table: (rows - after[table]).total() for table, rows in before.items()}
    return {table: count for table, count in missing.items() if count}


@dataclass(frozen=True, slots=True)
class Seen:
    """Addresses of resources and searches by facility, with the answers: status, version and body."""

    answers: dict[tuple[str, str], tuple[int, str | None, object]]

    @classmethod
    async def through(cls, door: Door, asked: Iterable[tuple[str, str]]) -> "Seen":
        """Ask a service; `asked` are pairs of facility and address."""
        answers = {}
        for facility, address in asked:
            answer = await (await door.system(facility)).get(address)
            assert answer.status_code < 500, (facility, address, answer.text)
            # Links are the same address however they are quoted.
            body = unquote(answer.text.replace(door.base_url, "http://hub"))
            answers[facility, address] = (answer.status_code, answer.headers.get("ETag"), body)
        return cls(answers)

    @property
    def asked(self) -> list[tuple[str, str]]:
        return list(self.answers)

    def sample(self) -> list[tuple[str, str]]:
        """Every fifth of what was asked, the searches in turns too."""
        return self.asked[::5]

    def differences(self, later: "Seen") -> dict[tuple[str, str], tuple[object, object]]:
        """What was answered otherwise later."""
        return {
            asked: (self.answers[asked], answer)
            for asked, answer in later.answers.items()
            if answer != self.answers[asked]
        }


async def clinical_reads(dsn: str, of: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Clinical resources, by each facility that may see them or once might, and by one that never might."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "WITH known AS (SELECT * FROM access WHERE $1::text[] IS NULL OR id = ANY ($1))"
        " SELECT facility, type || '/' || id AS address FROM known"
        " UNION SELECT 'vinh-bao-medical-centre', type || '/' || id FROM known"
        " WHERE type IN ('Patient', 'Task')"
        " ORDER BY 1, 2",
        of,
    )
    await connection.close()
    return [(row["facility"], row["address"]) for row in rows]


def ids(bundle: Resource) -> list[str]:
    """What a search found, in its order."""
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle.get("entry", [])
    ]
