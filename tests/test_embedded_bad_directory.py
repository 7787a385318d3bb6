"""Data directories that are damaged, full, half made or somebody else's: one line, and nothing touched."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.embedded import EmbeddedError, EmbeddedPostgres
from tests.test_embedded import _HOLDER, _ask, _temporary


@pytest.fixture
def place() -> Iterator[Path]:
    with _temporary(0o755) as path:
        yield path


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory with a cluster that every test finds and leaves stopped."""
    with _temporary(0o755) as path:
        EmbeddedPostgres.open(path / "data").close()
        yield path / "data"


def contents(directory: Path) -> dict[str, tuple[int, int] | None]:
    """All that is in it, with sizes and times; not the locks, which have no content."""
    return {
        str(path.relative_to(directory)): None
        if path.is_dir()
        else (path.stat().st_size, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.suffix != ".lock"
    }


def refused(directory: Path) -> str:
    """The line of the refusal; nothing in the directory has changed."""
    before = contents(directory)
    with pytest.raises(EmbeddedError) as told:
        EmbeddedPostgres.open(directory)
    assert contents(directory) == before
    assert "\n" not in str(told.value)
    return str(told.value)


def works(directory: Path) -> None:
    with EmbeddedPostgres.open(directory) as postgres:
        assert asyncio.run(_ask(postgres.dsn, "SELECT 1")) == 1


@contextlib.contextmanager
def damaged(path: Path, content: bytes | None) -> Iterator[None]:
    """A file with another content, or gone, for a while."""
    ours, owner = path.read_bytes(), path.stat()
    try:
        path.unlink() if content is None else path.write_bytes(content)
        yield
    finally:
        path.write_bytes(ours)
        os.chown(path, owner.st_uid, owner.st_gid)


@pytest.mark.parametrize("version", [b"13\n", b"15\n", b"19\n"])
def test_a_cluster_of_another_version_is_named_and_left_alone(made: Path, version: bytes) -> None:
    with damaged(made / "postgres/cluster/PG_VERSION", version):
        assert f"was written by PostgreSQL {version.decode().strip()}, this is PostgreSQL " in refused(made)


@pytest.mark.parametrize("version", [None, b"", b"\0\0\0", b"banana", b"\xff\xfe"])
def test_a_cluster_without_a_version_is_none(made: Path, version: bytes | None) -> None:
    with damaged(made / "postgres/cluster/PG_VERSION", version):
        assert "is there and is no PostgreSQL cluster" in refused(made)


@pytest.mark.parametrize("passwords", [None, b"", b"{", b"[]", b"\0\0", b"\xff", b'{"postgres": "one"}'])
def test_passwords_that_cannot_be_read_are_told(made: Path, passwords: bytes | None) -> None:
    with damaged(made / "postgres/passwords.json", passwords):
        assert "passwords.json does not hold the passwords" in refused(made)


@pytest.mark.parametrize("what", ["nothing", "a file", "files"])
def test_what_is_not_ours_is_left_alone(place: Path, what: str) -> None:
    cluster = place / "data/postgres/cluster"
    cluster.parent.mkdir(parents=True)
    cluster.parent.chmod(0o755)
    if what == "a file":
        cluster.write_text("thesis")
    else:
        cluster.mkdir()
        (cluster / "thesis.txt").write_text("thesis") if what == "files" else None
    assert "is there and is no PostgreSQL cluster" in refused(place / "data")


@pytest.mark.parametrize("name", ["postgres", "postgres/socket", "postgres/control.lock"])
def test_something_in_the_place_of_a_part_is_one_line(made: Path, place: Path, name: str) -> None:
    """A folder where a file is to be, a file where a folder is to be."""
    (place / "data" / name).parent.mkdir(parents=True)
    (place / "data" / name).parent.chmod(0o755)
    if name.endswith("lock"):
        (place / "data" / name).mkdir()
    else:
        (place / "data" / name).write_text("")
    with pytest.raises(EmbeddedError) as told:
        EmbeddedPostgres.open(place / "data")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("left", [b"\0\0\0\0", b"99999999999999999999\n/tmp\n"])
def test_what_a_loss_of_power_leaves_of_the_pid_file_does_not_hinder(made: Path, left: bytes) -> None:
    (made / "postgres/cluster/postmaster.pid").write_bytes(left)
    works(made)


@pytest.mark.parametrize("seed", range(2))
def test_who_is_killed_while_making_a_cluster_hinders_nobody(place: Path, seed: int) -> None:
    moment = random.Random(seed).uniform(0, 0.7)
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(place)], stdin=subprocess.PIPE) as maker:
        while not list(place.glob("postgres/cluster*")):
            time.sleep(0.005)
        time.sleep(moment)
        maker.send_signal(signal.SIGKILL)
    works(place)


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A small disk, where this account may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_and_the_next_try_with_room_works(place: Path) -> None:
    with mounted(place / "disk", "24m"):
        with pytest.raises(EmbeddedError, match="No space left on device") as told:
            EmbeddedPostgres.open(place / "disk/data")
        assert "\n" not in str(told.value)
        assert list((place / "disk/data/postgres").glob("cluster*")) == []
        assert list((place / "disk/data/postgres").glob("password*")) == []
        subprocess.run(["mount", "-o", "remount,size=400m", str(place / "disk")], check=True)
        works(place / "disk/data")
        subprocess.run(["mount", "-o", "remount,ro", str(place / "disk")], check=True)
        for directory in (place / "disk/data", place / "disk/other"):
            assert "Read-only file system" in refused(directory)
