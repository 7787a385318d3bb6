"""What the worker and the lists of what is owed are read from: an index each, in its order."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from referral.fhir.search_query import parse_search
from referral.store.search import page_statement
from tests.conftest import Database
from tests.store.documents import BASE


@pytest.fixture
async def planner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """An owner's connection; the tables of a test are small enough to be read from end to end."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("SET enable_seqscan = off")
    yield owner
    await owner.close()


async def test_the_tick_looks_at_what_has_something_to_do_alone(planner: asyncpg.Connection) -> None:
    body = await planner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'due_deadlines'")
    query = body[body.index("SELECT") : body.index("p_most;")].replace("p_now", "now()") + "500"
    await planner.execute(
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off"
    )
    plan = "\n".join(row[0] for row in await planner.fetch(f"EXPLAIN {query}"))
    assert "Index Scan using deadline_due" in plan
    # The index has the order.
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    ("search", "index"),
    [
        ("Task?waiting-for=Organization/h1&_sort=due", "deadline_debtor"),
        ("Task?awaited-by=Organization/s1&_sort=due", "deadline_creditor"),
    ],
)
async def test_a_list_of_what_is_owed_is_read_in_the_order_of_an_index(
    planner: asyncpg.Connection, search: str, index: str
) -> None:
    resource_type, _, text = search.partition("?")
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in text.split("&"))]
    sql, values = page_statement("h1", parse_search(resource_type, pairs, lenient=False, base=BASE))
    await planner.execute("SET plan_cache_mode = force_generic_plan")
    plan = "\n".join(row[0] for row in await planner.fetch(f"EXPLAIN {sql}", *values))
    assert f"using {index}" in plan
    assert "Seq Scan" not in plan
    # Ties alone are sorted.
    assert "Incremental Sort" in plan
    assert plan.count("Sort  (") == plan.count("Incremental Sort  (")
