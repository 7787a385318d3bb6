"""Thousands of slow clients, in a real process; and what of it would be found wrong."""

import os
import resource
from pathlib import Path

import pytest

from referral.store.pool import Store
from scripts.fault_runs.slow import Held, hold, station_of
from scripts.ports import reserved_ports
from tests.cli.test_serve import _serve
from tests.conftest import Database, serve


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


@pytest.mark.parametrize(("held", "kinds"), [(900, []), (899, ["not-held"])])
def test_fewer_than_nine_of_ten_are_not_what_it_says(held: int, kinds: list[str]) -> None:
    assert [violation.kind for violation in Held(1_000, open_at_most=held).violations()] == kinds


async def nothing() -> None:
    """The work of another client that has none."""


async def test_it_does_not_pass_where_the_system_has_no_files_for_them(
    demo_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(demo_database.dsn) as running:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (540, 540))
        monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
        held = await hold(running.base_url, os.getpid(), 100, nothing)
    assert held.open_at_most >= 40
    assert [violation.kind for violation in held.violations()] == ["not-held"]


async def test_a_service_that_is_gone_is_found() -> None:
    with reserved_ports(1) as (port,):
        held = await hold(f"http://127.0.0.1:{port}", os.getpid(), 10, nothing)
    assert [violation.kind for violation in held.violations()] == ["not-served"] * 4 + ["not-held"]
