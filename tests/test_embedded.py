"""The embedded PostgreSQL, with real processes that come, go and are killed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from referral.embedded import EmbeddedError, EmbeddedPostgres, cluster
from referral.embedded.account import find_account

# Opens the directory, says so, and gives its share back when its input ends.
_HOLDER = """
import sys
from pathlib import Path
from referral.embedded import EmbeddedPostgres
with EmbeddedPostgres.open(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""
# Gives its share back while a forked child lives on.
_FORKER = """
import os, signal, sys
from pathlib import Path
from referral.embedded import EmbeddedPostgres
share = EmbeddedPostgres.open(Path(sys.argv[1]))
child = os.fork()
if not child:
    signal.pause()
share.close()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""
# Starts the server, and kills one of its processes before anybody has spoken to it.
_FALLING = """#!/bin/sh
"{pg_ctl}" "$@" || exit
if [ "$1" = start ]; then
    server=$(head -n 1 '{pid}')
    kill -9 "$(cut -d ' ' -f 1 "/proc/$server/task/$server/children")"
fi
"""


@contextlib.contextmanager
def _temporary(mode: int) -> Iterator[Path]:
    """A folder of this mode (other accounts cannot enter pytest's own), removed with its cluster."""
    place = Path(tempfile.mkdtemp(prefix="rt", dir="/tmp"))
    place.chmod(mode)
    try:
        yield place
    finally:
        for home in place.rglob("postgres"):
            if home.is_symlink():
                shutil.rmtree(home.resolve())
        shutil.rmtree(place)


@pytest.fixture
def place() -> Iterator[Path]:
    with _temporary(0o755) as path:
        yield path


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory with a cluster that every test finds and leaves stopped."""
    with _temporary(0o755) as path:
        directory = path / "data"
        EmbeddedPostgres.open(directory).close()
        yield directory


@contextlib.contextmanager
def _holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _HOLDER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process


def _server(directory: Path) -> int | None:
    """The number of the postmaster; None when it ended in good order."""
    try:
        return int((directory / "postgres/cluster/postmaster.pid").read_text().splitlines()[0])
    except FileNotFoundError:
        return None


async def _ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_new_directory_gets_a_database_with_both_roles(place: Path) -> None:
    with EmbeddedPostgres.open(place / "new" / "data") as postgres:
        assert await _ask(postgres.dsn, "SELECT current_user") == "referral_login"
        assert await _ask(postgres.owner_dsn, "SELECT current_user") == "referral_owner"
        assert await _ask(postgres.owner_dsn, "SELECT current_database()") == "referral"
        for setting, value in {
            "fsync": "on",
            "jit": "off",
            "listen_addresses": "",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "password_encryption": "scram-sha-256",
            "TimeZone": "UTC",
        }.items():
            assert await _ask(postgres.dsn, f"SELECT current_setting('{setting}')") == value, setting
        assert (place / "new/data/postgres/passwords.json").stat().st_mode & 0o777 == 0o600
    assert _server(place / "new" / "data") is None


async def test_the_owner_can_make_the_group_that_the_login_role_joins(place: Path) -> None:
    with EmbeddedPostgres.open(place) as postgres:
        await _ask(postgres.owner_dsn, "CREATE ROLE referral_service NOLOGIN")
        await _ask(postgres.owner_dsn, "GRANT referral_service TO referral_login")
        assert await _ask(postgres.dsn, "SELECT pg_has_role('referral_service', 'member')") is True


async def test_a_wrong_password_is_refused(made: Path) -> None:
    with EmbeddedPostgres.open(made) as postgres:
        account, _, address = postgres.dsn.rpartition("@")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _ask(f"{account[:-1]}@{address}", "SELECT 1")


async def test_sqlalchemy_connects_where_the_path_has_spaces(place: Path) -> None:
    with EmbeddedPostgres.open(place / "a folder (100 % ours): 'thư mục'") as postgres:
        engine = create_async_engine(postgres.owner_dsn.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        await engine.dispose()
        assert await _ask(postgres.dsn, "SELECT 1") == 1


async def test_a_path_too_long_for_a_socket_works_and_leaves_nothing_in_tmp(place: Path) -> None:
    directory = place / ("l" * 120)
    with EmbeddedPostgres.open(directory) as postgres:
        assert await _ask(postgres.dsn, "SELECT 1") == 1
        sockets = (directory / "postgres/socket").resolve()
        assert not sockets.is_relative_to(directory)
    assert not sockets.exists()


async def test_a_second_process_adopts_the_server_and_the_last_one_out_stops_it(made: Path) -> None:
    with _holder(made) as first:
        server = _server(made)
        with EmbeddedPostgres.open(made) as postgres:
            assert _server(made) == server
            first.communicate()
            assert _server(made) == server
            assert await _ask(postgres.dsn, "SELECT 1") == 1
    assert first.returncode == 0
    assert _server(made) is None


async def test_the_server_of_a_killed_process_is_adopted_and_stopped(made: Path) -> None:
    with _holder(made) as holder:
        server = _server(made)
        holder.kill()
    assert _server(made) == server
    with EmbeddedPostgres.open(made) as postgres:
        assert _server(made) == server
        assert await _ask(postgres.dsn, "SELECT 1") == 1
    assert _server(made) is None


async def test_a_killed_server_is_started_again_with_what_was_committed(made: Path) -> None:
    with EmbeddedPostgres.open(made) as postgres:
        await _ask(postgres.owner_dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        server = _server(made)
        assert server
        os.kill(server, signal.SIGKILL)
        postgres.ensure_running()
        assert _server(made) != server
        assert await _ask(postgres.owner_dsn, "SELECT number FROM kept") == 7
        after = _server(made)
        postgres.ensure_running()
        assert _server(made) == after


async def test_server_and_user_killed_together_leave_a_directory_that_opens(made: Path) -> None:
    with _holder(made) as holder:
        server = _server(made)
        assert server
        os.kill(server, signal.SIGKILL)
        holder.kill()
    with EmbeddedPostgres.open(made) as postgres:
        assert await _ask(postgres.dsn, "SELECT 1") == 1


async def test_a_pid_file_that_names_a_stranger_does_not_hinder_the_start(made: Path) -> None:
    with _holder(made) as holder:
        server = _server(made)
        assert server
        os.kill(server, signal.SIGKILL)
        holder.kill()
    pid_file = made / "postgres/cluster/postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(server), str(os.getpid()), 1))
    with EmbeddedPostgres.open(made) as postgres:
        assert _server(made) != os.getpid()
        assert await _ask(postgres.dsn, "SELECT 1") == 1


async def test_a_server_whose_socket_was_swept_away_is_started_anew(made: Path) -> None:
    with _holder(made) as holder:
        holder.kill()
    (made / "postgres/socket/.s.PGSQL.5432").unlink()
    with EmbeddedPostgres.open(made) as postgres:
        assert await _ask(postgres.dsn, "SELECT 1") == 1


async def test_a_server_that_does_not_come_to_its_end_is_ended_and_started(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signal 15 makes it refuse whoever comes, and wait for those who are there: a pool never goes."""
    monkeypatch.setattr(cluster, "_STOPPING_SECONDS", 0.1)
    with EmbeddedPostgres.open(made) as server:
        guest = await asyncpg.connect(server.dsn)
        running = _server(made)
        assert running
        os.kill(running, signal.SIGTERM)
        with contextlib.suppress(asyncpg.CannotConnectNowError):
            while await _ask(server.dsn, "SELECT 1"):
                pass
        server.ensure_running()
        assert await _ask(server.dsn, "SELECT 1") == 1
        guest.terminate()


@pytest.fixture
def falling(made: Path) -> Iterator[Path]:
    """The programs of PostgreSQL, with a pg_ctl that starts a server and kills one of its processes."""
    programs = cluster.find_binaries(find_account(made / "postgres/cluster"))
    pid = made / "postgres/cluster/postmaster.pid"
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for program in programs.iterdir():
            if program.name != "pg_ctl":
                (place / program.name).symlink_to(program)
        (place / "pg_ctl").write_text(_FALLING.format(pg_ctl=programs / "pg_ctl", pid=pid))
        (place / "pg_ctl").chmod(0o755)
        yield place


async def test_a_server_that_falls_over_as_it_comes_up_is_waited_for(
    made: Path, falling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while it recovers, it would not end for a minute."""
    monkeypatch.setattr(cluster, "find_binaries", lambda _account: falling)
    with EmbeddedPostgres.open(made) as postgres:
        assert await _ask(postgres.dsn, "SELECT 1") == 1
    log = (made / "postgres/cluster/server.log").read_text()
    assert "terminated by signal 9" in log[log.rindex("starting PostgreSQL") :]


async def test_an_interrupted_initialisation_is_begun_again(place: Path) -> None:
    staging = place / "postgres/cluster.new"
    staging.mkdir(parents=True)
    (staging / "PG_VERSION").write_text("18")
    (place / "postgres/password.new").write_text("old")
    (place / "postgres").chmod(0o755)
    with EmbeddedPostgres.open(place) as postgres:
        assert await _ask(postgres.dsn, "SELECT 1") == 1


def test_a_forked_child_does_not_hold_its_parents_share(made: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FORKER, str(made)], check=False)
    assert done.returncode == 0
    assert _server(made) is None


def test_a_second_serve_is_refused_until_the_first_ends(made: Path) -> None:
    with EmbeddedPostgres.open(made) as first, EmbeddedPostgres.open(made) as second:
        first.serve_lock()
        with pytest.raises(EmbeddedError, match="another serve runs on"):
            second.serve_lock()
        first.close()
        second.serve_lock()


def test_a_directory_that_cannot_be_written_is_one_clear_line(place: Path) -> None:
    place.chmod(0o500)
    directory = Path("/proc/referral-data") if os.geteuid() == 0 else place / "data"
    with pytest.raises(EmbeddedError, match=rf"cannot keep PostgreSQL in {directory}: ") as refused:
        EmbeddedPostgres.open(directory)
    assert "\n" not in str(refused.value)


def test_a_file_in_the_place_of_the_directory_is_one_clear_line(place: Path) -> None:
    (place / "data").write_text("")
    with pytest.raises(EmbeddedError, match=r"cannot keep PostgreSQL in .*data: File exists"):
        EmbeddedPostgres.open(place / "data")


def test_data_of_another_version_is_refused_and_left_alone(made: Path) -> None:
    version = made / "postgres/cluster/PG_VERSION"
    ours = version.read_text()
    try:
        version.write_text("13\n")
        with pytest.raises(EmbeddedError, match=r"was written by PostgreSQL 13, this is PostgreSQL \d+$"):
            EmbeddedPostgres.open(made)
    finally:
        version.write_text(ours)
    EmbeddedPostgres.open(made).close()


def test_a_server_that_does_not_start_says_why(made: Path) -> None:
    configuration = made / "postgres/cluster/postgresql.conf"
    ours = configuration.read_text()
    try:
        configuration.write_text(ours + "\nshared_buffers = banana\n")
        with pytest.raises(EmbeddedError, match=r"does not start: .*FATAL:") as refused:
            EmbeddedPostgres.open(made)
        assert "\n" not in str(refused.value)
    finally:
        configuration.write_text(ours)
    EmbeddedPostgres.open(made).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand its cluster to another account")
class TestAsRoot:
    async def test_a_directory_the_account_cannot_reach_gets_a_link(self) -> None:
        with _temporary(0o700) as place:
            directory = place / "data"
            with EmbeddedPostgres.open(directory) as postgres:
                assert await _ask(postgres.dsn, "SELECT 1") == 1
                assert (directory / "postgres").is_symlink()
                with EmbeddedPostgres.open(directory) as second:
                    assert second.dsn == postgres.dsn
            assert place.stat().st_mode & 0o777 == 0o700
            assert _server(directory) is None

    def test_a_link_to_nothing_is_one_clear_line(self, place: Path) -> None:
        (place / "postgres").symlink_to("/var/lib/referral/gone")
        with pytest.raises(EmbeddedError, match="which is gone and the data with it"):
            EmbeddedPostgres.open(place)

    def test_the_cluster_belongs_to_an_unprivileged_account(self, made: Path) -> None:
        assert (made / "postgres/cluster").stat().st_uid != 0
        assert (made / "postgres/passwords.json").stat().st_uid == 0
