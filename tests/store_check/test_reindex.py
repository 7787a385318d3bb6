"""Whatever became of the index rows, reindexing leaves those that a checker of its own computes."""

from scripts.store_check.index import _TABLES
from tests.store_check.healthy import Healthy

EMPTY = [f"DELETE FROM {table}" for table in _TABLES if table not in {"search_token", "search_reference"}]
# By these rows it is known what an identifier stood for.
KEPT = "param LIKE '%identifier' OR param IN ('subject', 'requester', 'performer', 'owner')"


async def test_rows_that_were_right_stay(healthy: Healthy) -> None:
    assert await healthy.reindexed() == []


async def test_rows_that_are_gone_come_back(healthy: Healthy) -> None:
    gone = [f"DELETE FROM {table} WHERE NOT ({KEPT})" for table in ("search_token", "search_reference")]
    assert await healthy.reindexed(*EMPTY, *gone) == []


async def test_rows_that_are_wrong_go(healthy: Healthy) -> None:
    wrong = [
        "INSERT INTO search_token SELECT type, id, 'status', '', 'nonsense' FROM document",
        "INSERT INTO search_reference SELECT type, id, '_package', 'Patient', 'nobody' FROM document",
        "INSERT INTO search_quantity SELECT type, id, 'value-quantity', '', '', 1, 2 FROM document",
        "INSERT INTO search_position SELECT type, id, 'near', 1, 2 FROM document",
        "UPDATE search_date SET high = high + interval '1 day'",
        "UPDATE search_string SET folded = folded || 'x'",
        "UPDATE search_reference SET open_status = NULL, updated_at = NULL",
    ]
    assert await healthy.reindexed(*wrong) == []
