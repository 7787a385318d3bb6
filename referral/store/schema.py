"""Whether this version of the service can work on a database: its PostgreSQL and the revision of its schema.

A service needs a certain schema or a newer one that still bears it. Which services a schema bears stands in
itself: `schema_revision.oldest`, the newest revision that a service must at least know to run there.
See docs/decisions/0009-which-service-runs-on-which-schema.md.
"""

import json
from typing import TYPE_CHECKING

import asyncpg

from referral.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    AnyConnection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

# Revisions are numbers of four digits: as text they sort as they follow each other.
NEEDED = "0005"
"""The oldest revision on which this version works: it expands what the version before had."""

NEWEST = "0005"
"""The newest migration of this version."""

RELATIONS = (
    *("access", "access_token", "actor_network", "affiliation", "approval", "assertion_id", "attachment"),
    *("audit", "audit_concern", "audit_progress", "audit_seal", "blob", "capacity", "change", "claim_try"),
    *("client", "deadline", "demand", "directory"),
    *("document", "document_version", "document_version_0", "document_version_1", "document_version_2"),
    *("document_version_3", "event", "facility", "id_key", "journey", "link", "membership", "network"),
    *("network_version", "offer", "policy_version"),
    *("referral", "referral_identifier", "referral_sequence", "replay", "schema_revision", "search_date"),
    *("search_position", "search_quantity", "search_reference", "search_string", "search_token", "service"),
    "technique",
)
"""Every table, view and sequence that our migrations name; others may keep theirs beside them."""

OLDEST_SERVER = 15
"""The oldest major version of PostgreSQL that is served."""


def check_server(connection: "AnyConnection") -> None:
    """Raises StoreUnavailable where the server is older than `OLDEST_SERVER`; sends nothing."""
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER:
        raise StoreUnavailable(
            f"The database is a PostgreSQL {version.major}: {OLDEST_SERVER} or newer is needed."
        )


async def read_revision(
    connection: "AnyConnection",
) -> tuple[str, str] | None:
    """The revision of the schema and the one that a service must know; None where there is no schema."""
    if await connection.fetchval("SELECT to_regclass('schema_revision')") is None:
        return None
    # As one value: the first revision had no second column, and bore its own service alone.
    row = await connection.fetchval("SELECT to_jsonb(r)::text FROM schema_revision r")
    if row is None:
        return None
    found = json.loads(row)
    return found["version_num"], found.get("oldest", found["version_num"])


async def check_schema(connection: "AnyConnection") -> None:
    """Raises StoreUnavailable, with what is to be done, where this version cannot work on the schema."""
    found = await read_revision(connection)
    if found is None:
        raise StoreUnavailable("The database is not migrated: run `referral migrate` first.")
    revision, oldest = found
    if revision < NEEDED:
        raise StoreUnavailable(
            f"The database is at revision {revision}, and this version needs {NEEDED}:"
            " run `referral migrate` first."
        )
    if oldest > NEWEST:
        raise StoreUnavailable(
            f"The database is at revision {revision}, for versions that know {oldest};"
            f" this one knows {NEWEST}: run a newer version."
        )
