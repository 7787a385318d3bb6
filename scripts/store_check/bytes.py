"""Each version of a Binary holds bytes, and all bytes that are stored are held by one."""

from collections.abc import AsyncIterator

from scripts.store_check.facts import Connection
from scripts.store_check.violation import Violation

# Deleted: nothing is there, and nothing is held.
_CHECKS = {
    "bytes-missing": (
        "SELECT 'Binary/' || v.id AS id, 'version ' || v.version || ' holds nothing' AS text FROM ("
        " SELECT id, version, deleted FROM document WHERE type = 'Binary'"
        " UNION SELECT id, version, deleted FROM document_version WHERE type = 'Binary') v"
        " WHERE NOT v.deleted AND NOT EXISTS (SELECT FROM attachment t JOIN blob b USING (sha256)"
        " WHERE t.id = v.id AND t.version = v.version)"
    ),
    "bytes-unfounded": (
        "SELECT 'Binary/' || t.id AS id, 'there is no version ' || t.version AS text FROM attachment t"
        " WHERE NOT EXISTS (SELECT FROM document d"
        " WHERE d.type = 'Binary' AND d.id = t.id AND d.version = t.version)"
        " AND NOT EXISTS (SELECT FROM document_version d"
        " WHERE d.type = 'Binary' AND d.id = t.id AND d.version = t.version)"
        " UNION ALL SELECT encode(b.sha256, 'hex'), 'nothing holds these bytes' FROM blob b"
        " WHERE NOT EXISTS (SELECT FROM attachment t WHERE t.sha256 = b.sha256)"
    ),
}


async def check_bytes(connection: Connection) -> AsyncIterator[Violation]:
    """Binaries against the two tables of attachments; the hash of bytes a constraint holds."""
    for kind, sql in _CHECKS.items():
        for row in await connection.fetch(sql):
            yield Violation(kind, row["id"], row["text"])
