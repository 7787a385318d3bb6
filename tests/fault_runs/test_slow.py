"""Thousands of slow clients, in a real process; and what of it would be found wrong."""

from pathlib import Path

from referral.store.pool import Store
from scripts.fault_runs.slow import Held, hold, station_of
from tests.cli.test_serve import _serve
from tests.conftest import Database


async def test_a_station_is_served_beside_two_thousand_slow_clients(
    demo_database: Database, tmp_path: Path
) -> None:
    store = await Store.open(demo_database.dsn, size=1)
    with _serve(tmp_path / "d", DATABASE_URL=demo_database.dsn) as running:
        async with station_of(store, running.url) as ask:
            held = await hold(running.url, running.process.pid, 2_000, ask)
    await store.close()
    assert list(held.violations()) == []
    assert held.answered > held.wanted // 500


def test_what_is_not_as_it_must_be_is_found() -> None:
    well = Held(1_000, open_at_most=990, open_at_last=3, answered=7, before=100, at_most=130)
    assert list(well.violations()) == []
    ill = Held(
        1_000, open_at_most=400, open_at_last=800, unanswered=["beside 250: timeout"], before=100, at_most=300
    )
    found = [violation.kind for violation in ill.violations()]
    assert found == ["not-served", "not-held", "not-closed", "memory"]
