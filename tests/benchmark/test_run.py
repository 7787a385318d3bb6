"""A whole run, as short as can be, and the command line before it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from referral.embedded import EmbeddedPostgres
from referral.store.migrate import migrate
from scripts.benchmark.__main__ import parse
from scripts.benchmark.measure import Effort
from scripts.benchmark.profiling import read_samples
from scripts.benchmark.run import run
from scripts.benchmark.without import WITHOUT
from scripts.benchmark.works import WORKS

SHORT = Effort(
    rounds=1, seconds=0.05, warm=0.02, profile=0.05, starts=1, facilities=300, indexes_last_above=0
)
# What a load with the indexes last, and slices without the wall, must have put back.
LEFT = """
SELECT (SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready) AS indexes_unused,
  (SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE NOT c.relrowsecurity)
    AS walls_down,
  current_setting('fsync') AS fsync, current_setting('autovacuum') AS autovacuum,
  current_setting('full_page_writes') AS full_page_writes,
  (SELECT count(*) FROM referral) >= 500 AS loaded
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that the account of PostgreSQL can reach."""
    with tempfile.TemporaryDirectory(prefix="referral-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_options_have_defaults() -> None:
    options = parse([])
    assert (options.seed, options.quick, options.json, options.work, options.profile, options.without) == (
        *(10_000, False, None, None, False, None),
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "-1"], "--seed is from 0"),
        (["--seed", "many"], "invalid int value"),
        (["--work", "sleep"], "invalid choice"),
        (["--without", "audit"], "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


async def test_every_work_is_measured_and_profiled(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    with EmbeddedPostgres.open(folder) as postgres:
        migrate(postgres.owner_dsn)
        apart = ["--without", "wall", "--without", "request-id"]
        options = parse(["--seed", "0", "--quick", "--profile", "--json", str(file), *apart])
        await run(options, postgres, folder, SHORT)
        owner = await asyncpg.connect(postgres.owner_dsn)
        left = dict(await owner.fetchrow(LEFT))
        await owner.close()
    assert left == {
        "indexes_unused": 0,
        "walls_down": 0,
        "fsync": "on",
        "autovacuum": "on",
        "full_page_writes": "on",
        "loaded": True,
    }
    found = json.loads(file.read_text())
    assert [(row["work"], row["connections"]) for row in found["rows"]] == [
        (work, connections) for work in WORKS for connections in (1, 16)
    ]
    for row in found["rows"]:
        assert row["rate"] > 0
        assert row["floor"] > 0
        assert row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert found["memory_mib"] > 50
    assert found["ready_s"] > 0
    assert found["seed"] == 0
    assert {(cost["work"], cost["connections"], cost["without"]) for cost in found["without"]} == {
        (work, connections, name)
        for work in WORKS
        for connections in (1, 16)
        for name in WITHOUT
        if name == "wall" or work in {"place", "move", "transaction"}
    }
    for cost in found["without"]:
        assert cost["rate"] > 0
        assert 0 < cost["ratio_min"] <= cost["ratio"] <= cost["ratio_max"]
    printed = capsys.readouterr().out
    assert all(f"{work}, 16 connections; microseconds" in printed for work in WORKS)
    assert printed.count("  without wall    ") == len(WORKS)
    assert printed.count("  without request-id    ") == 3
    assert "api/read.py" in printed
    assert "%  actions/" in printed


def test_a_run_that_is_stopped_leaves_nothing_behind(folder: Path) -> None:
    command = [sys.executable, "-m", "scripts.benchmark", "--seed", "0", "--work", "read"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(folder.glob("referral-bench-*/postgres/cluster/postmaster.pid")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM
    assert list(folder.iterdir()) == []


def test_samples_of_stacks_are_read_as_own_time() -> None:
    found = list(
        read_samples(
            [
                "main (/x/referral/__main__.py:3);read (/x/referral/api/read.py:20) 100",
                "main (/x/referral/__main__.py:3);execute (/y/asyncpg/connection.py:7) 50",
            ]
        )
    )
    assert [(one.part, one.function, one.seconds) for one in found] == [
        ("referral/api", "api/read.py:20 read", 0.2),
        ("asyncpg", "asyncpg/connection.py:7 execute", 0.1),
    ]
