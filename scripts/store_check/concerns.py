"""The audit is found by whom it concerns, and by nobody else."""

from collections.abc import AsyncIterator

from scripts.store_check.facts import Connection
from scripts.store_check.violation import Violation

# What somebody asked for before it was there concerns nobody: a version says that it was.
_MISSING = """
    SELECT a.type, a.id, a.seq, d.owner FROM audit a
    JOIN document d ON d.type = a.type AND d.id = a.id
    LEFT JOIN audit_concern c ON c.owner = d.owner AND c.at = a.at AND c.seq = a.seq
    WHERE a.version IS NOT NULL AND d.owner IS DISTINCT FROM a.actor AND d.owner IS NOT NULL AND c.seq IS NULL
"""
_UNFOUNDED = """
    SELECT a.type, a.id, c.seq, c.owner FROM audit_concern c
    LEFT JOIN audit a ON a.at = c.at AND a.seq = c.seq
    LEFT JOIN document d ON d.type = a.type AND d.id = a.id
    WHERE d.owner IS DISTINCT FROM c.owner OR a.actor = c.owner
"""


async def check_concerns(connection: Connection) -> AsyncIterator[Violation]:
    """A row for the owner of what another one did something with, and for none else."""
    for kind, query in (("concern-missing", _MISSING), ("concern-unfounded", _UNFOUNDED)):
        for row in await connection.fetch(query):
            where = f"{row['type']}/{row['id']}"
            yield Violation(kind, where, f"row {row['seq']} of the audit, for {row['owner']}")
