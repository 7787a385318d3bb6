"""`referral demo`: the network, the credentials file, the play."""

import asyncio
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from referral.cli.credentials import FILE
from tests.cli.program import Program
from tests.conftest import Database

# What each chapter must show, in its order.
STATUSES = (
    *("requested, requested", "received, received", "accepted, accepted", "in-progress, arrived"),
    *("completed, completed", "completed, closed", "requested, requested", "completed, closed"),
    *("rejected, rejected", "accepted, accepted", "ferry", "accepted, accepted"),
)


@pytest.fixture
async def empty(superuser_dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database without a schema, with its owner in the environment."""
    mighty = await asyncpg.connect(superuser_dsn)
    await mighty.execute("DROP DATABASE IF EXISTS to_play")
    await mighty.execute("CREATE DATABASE to_play OWNER referral_owner")
    await mighty.close()
    place = ("@/referral?", "@/to_play?")
    found = Database(database.dsn.replace(*place), database.owner_dsn.replace(*place))
    monkeypatch.setenv("DATABASE_OWNER_URL", found.owner_dsn)
    return found


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory that the account of PostgreSQL can reach, also when root runs the tests."""
    place = Path(tempfile.mkdtemp(prefix="rt", dir="/tmp"))
    place.chmod(0o755)
    yield place / "data"
    shutil.rmtree(place)


def _credentials(data: Path) -> dict[str, Any]:
    return dict(json.loads((data / FILE).read_bytes()))


def _keys(credentials: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        entry["facility"]: (entry["client_id"], entry["private_jwk"]["d"]) for entry in credentials["systems"]
    }


async def test_plays_from_nothing_and_again(data: Path) -> None:
    """The whole command with its own PostgreSQL: this is what a newcomer runs."""
    play = ("demo", "--data", str(data), "--port", "0", "--play", "--once")
    first = await Program("").run(*play)
    assert first.returncode == 0, first.stdout + first.stderr
    _in_order(first.stdout, ("ready on http://127.0.0.1:", *STATUSES, "Every step went as it should."))
    assert first.stderr == ""
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()
    file = data / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = _credentials(data)
    _check_shape(before)

    again = await Program("").run(*play)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _keys(_credentials(data)) == _keys(before)
    assert _patients(first.stdout).isdisjoint(_patients(again.stdout))


def _in_order(text: str, wanted: tuple[str, ...]) -> None:
    at = 0
    for part in wanted:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing after {text[:at][-200:]!r}"
        at = found + len(part)


def _patients(text: str) -> set[str]:
    found = set(re.findall(r"Patient/\S+\b", text))
    assert len(found) == 3
    return found


def _check_shape(credentials: dict[str, Any]) -> None:
    assert set(credentials) == {"fhir_base", "token_endpoint", "systems", "people"}
    base, _, rest = credentials["fhir_base"].rpartition("/")
    assert rest == "fhir"
    assert credentials["token_endpoint"] == f"{base}/oauth/token"
    assert credentials["people"] == []
    systems = credentials["systems"]
    assert len({entry["facility"] for entry in systems}) == len(systems) == 77
    members = {"client_id", "facility", "name", "tier", "scope", "private_jwk"}
    for entry in systems:
        assert set(entry) == members
        assert entry["scope"] == "system/*.cruds"
        assert {"kty", "crv", "x", "y", "d", "kid"} <= set(entry["private_jwk"])
    assert [entry["facility"] for entry in systems if entry["tier"] == "office"] == ["hai-phong-network"]
    tiers = {"station", "satellite", "core", "central", "office"}
    assert {entry["tier"] for entry in systems} == tiers


async def test_keeps_the_keys_that_work_and_gives_new_ones_for_others(
    empty: Database, tmp_path: Path
) -> None:
    program, data = Program(empty.dsn), tmp_path / "data"

    async def run(port: str) -> dict[str, Any]:
        done = await program.run("demo", "--data", str(data), "--port", port)
        assert done.returncode == 0, done.stderr
        return _credentials(data)

    first = await run("8123")
    assert first["token_endpoint"] == "http://127.0.0.1:8123/oauth/token"
    lost, broken = first["systems"][0]["facility"], first["systems"][1]["facility"]
    kept = [entry for entry in first["systems"] if entry["facility"] != lost]
    kept[0]["private_jwk"] = first["systems"][5]["private_jwk"]
    (data / FILE).write_text(json.dumps({**first, "systems": [*kept, {"client_id": 1}, "garbage"]}))
    (data / FILE).chmod(0o644)

    second = await run("8124")
    assert second["fhir_base"] == "http://127.0.0.1:8124/fhir"
    assert stat.S_IMODE((data / FILE).stat().st_mode) == 0o600
    before, after = _keys(first), _keys(second)
    assert {facility for facility in after if after[facility] != before[facility]} == {lost, broken}
    _check_shape(second)

    (data / FILE).write_text("{")
    assert _keys(await run("8124")).keys() == before.keys()
    assert [path.name for path in data.iterdir()] == [FILE]


async def test_a_step_that_goes_wrong_is_named_and_ends_with_1(empty: Database, tmp_path: Path) -> None:
    program = Program(empty.dsn)
    assert (await program.run("migrate")).returncode == 0
    owner = await asyncpg.connect(empty.owner_dsn)
    await owner.execute("ALTER TABLE offer ADD CHECK (state <> 'arrived')")
    await owner.close()
    done = await program.run("demo", "--data", str(tmp_path), "--port", "0", "--play", "--once")
    assert done.returncode == 1
    failed = done.stdout[done.stdout.index("FAILED at the step: ") :]
    assert "marks the arrival" in failed
    assert "not 200" in failed
    assert "Every step went" not in done.stdout


async def test_a_file_that_cannot_be_written_is_one_line(empty: Database, tmp_path: Path) -> None:
    (tmp_path / "data" / FILE).mkdir(parents=True)
    done = await Program(empty.dsn).run("demo", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("referral: ")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]


async def test_serves_on_after_the_play_until_stopped(empty: Database, tmp_path: Path) -> None:
    await asyncio.to_thread(_play_and_stop, empty.dsn, tmp_path)


def _play_and_stop(dsn: str, data: Path) -> None:
    command = [sys.executable, "-m", "referral", "demo", "--data", str(data), "--port", "0", "--play"]
    environment = {**os.environ, "DATABASE_URL": dsn}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert any("until stopped" in line for line in process.stdout)
            assert httpx.get(_credentials(data)["fhir_base"] + "/metadata").status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()
