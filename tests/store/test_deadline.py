"""What the worker looks at once a second: an index, in its order."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.conftest import Database


@pytest.fixture
async def planner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """An owner's connection; the tables of a test are small enough to be read from end to end."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("SET enable_seqscan = off")
    yield owner
    await owner.close()


async def test_the_tick_looks_at_what_has_something_to_do_alone(planner: asyncpg.Connection) -> None:
    body = await planner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'due_deadlines'")
    query = body[body.index("SELECT") : body.rindex(";\nEND")].replace("p_now", "now()")
    query = query.replace("p_most", "500").replace("p_lapses", "10")
    for name in ("hashjoin", "mergejoin", "bitmapscan", "sort"):
        await planner.execute(f"SET enable_{name} = off")
    plan = "\n".join(row[0] for row in await planner.fetch(f"EXPLAIN {query}"))
    assert "Index Scan using deadline_due" in plan
    assert "Index Scan using deadline_lapse" in plan
    assert "Seq Scan" not in plan
    # The indexes have the order within a priority; what was found is sorted by that.
    assert len(re.findall(r"Limit.*\n\s*->  Index Scan using deadline_(?:due|lapse)", plan)) == 2
    assert all("turn" in line for line in plan.splitlines() if "Sort Key" in line)


async def test_the_metrics_read_what_still_runs_alone(planner: asyncpg.Connection) -> None:
    told = await planner.fetchrow("SELECT prosrc, proconfig FROM pg_proc WHERE proname = 'clock_counts'")
    assert "enable_seqscan=off" in told["proconfig"]
    plan = "\n".join(
        row[0] for row in await planner.fetch(f"EXPLAIN {told['prosrc']}".replace("p_now", "now()"))
    )
    assert "Seq Scan" not in plan
    assert set(re.findall(r"deadline_\w+", plan)) <= {"deadline_debtor", "deadline_due", "deadline_lapse"}
