"""What the store holds of a resource: each of its versions once, with its traces."""

from tests.owner import behind_the_wall
from tests.running_service import RunningService


async def check_versions(service: RunningService, resource_type: str, resource_id: str) -> int:
    """The newest version; fails unless each is there once, with one change and one audit row."""
    key = (resource_type, resource_id)
    async with behind_the_wall(service.store) as connection:
        newest: int = await connection.fetchval(
            "SELECT version FROM document WHERE type = $1 AND id = $2", *key
        )
        for table, versions in (
            ("document_version", list(range(1, newest))),
            ("change", list(range(1, newest + 1))),
            ("audit", list(range(1, newest + 1))),
        ):
            written = "AND action IN ('create', 'update') AND outcome < 400" if table == "audit" else ""
            found = await connection.fetch(
                f"SELECT version FROM {table} WHERE type = $1 AND id = $2 {written} ORDER BY version", *key
            )
            assert [row["version"] for row in found] == versions, table
    return newest


async def ids_of(service: RunningService, resource_type: str, value: str) -> set[str]:
    """The resources of a type with this business identifier, whoever sees them."""
    async with behind_the_wall(service.store) as connection:
        found = await connection.fetch(
            "SELECT DISTINCT id FROM search_token WHERE type = $1 AND param = 'identifier' AND code = $2",
            *(resource_type, value),
        )
    return {row["id"] for row in found}
