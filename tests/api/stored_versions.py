"""What the store holds of a resource: each of its versions once, with its traces."""

import asyncpg

from tests.owner import behind_the_wall
from tests.running_service import RunningService

# The versions that each table has of a resource; of the audit, what was written.
_VERSIONS = """
    SELECT d.version,
      (SELECT array_agg(v.version ORDER BY v.version) FROM document_version v
        WHERE v.type = d.type AND v.id = d.id) AS older,
      (SELECT array_agg(c.version ORDER BY c.version) FROM change c
        WHERE c.type = d.type AND c.id = d.id) AS changes,
      (SELECT array_agg(a.version ORDER BY a.version) FROM audit a
        WHERE a.type = d.type AND a.id = d.id
          AND a.action IN ('create', 'update') AND a.outcome < 400) AS audits
    FROM document d WHERE d.type = $1 AND d.id = $2
"""

Owner = asyncpg.Connection


async def check_versions(service: RunningService, resource_type: str, resource_id: str) -> int:
    """The newest version; fails unless each is there once, with one change and one audit row."""
    async with behind_the_wall(service.store) as owner:
        return await newest_version(owner, resource_type, resource_id)


async def newest_version(owner: Owner, resource_type: str, resource_id: str) -> int:
    """As `check_versions`."""
    row = await owner.fetchrow(_VERSIONS, resource_type, resource_id)
    assert row is not None
    versions = list(range(1, row["version"] + 1))
    assert (row["older"] or [], row["changes"], row["audits"]) == (versions[:-1], versions, versions)
    return int(row["version"])


async def ids_of(service: RunningService, resource_type: str, value: str) -> set[str]:
    """The resources of a type with this business identifier, whoever sees them."""
    async with behind_the_wall(service.store) as owner:
        return await ids_with(owner, resource_type, value)


async def ids_with(owner: Owner, resource_type: str, value: str) -> set[str]:
    """As `ids_of`."""
    found = await owner.fetch(
        "SELECT DISTINCT id FROM search_token WHERE type = $1 AND param = 'identifier' AND code = $2",
        *(resource_type, value),
    )
    return {row["id"] for row in found}
