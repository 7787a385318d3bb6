"""`referral serve` as a process of its own, with its own PostgreSQL."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from referral.cli import database as cli
from referral.cli.serve import address_of, listen, running
from referral.domain.attachment import MEBIBYTE
from referral.settings import Settings
from referral.store.pool import Store
from tests.conftest import Database
from tests.factories import LE_CHAN
from tests.running_service import RunningService

PATIENCE = 60  # seconds until a test gives up on another process


@dataclass(frozen=True, slots=True)
class Serving:
    process: subprocess.Popen[str]
    data: Path
    url: str

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def postmaster(self) -> Path:
        return self.data / "postgres" / "cluster" / "postmaster.pid"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "referral", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=PATIENCE,
    )


def _refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@contextlib.contextmanager
def _serve(data: Path, *arguments: str, **environment: str) -> Iterator[Serving]:
    """Yields once it says that it is ready; killed at the end where it still runs."""
    command = [sys.executable, "-m", "referral", "serve", "--data", str(data), "--port", "0", *arguments]
    with (
        (data.parent / "log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("ready on "), (data.parent / "log").read_text()
            yield Serving(process, data, said.split()[-1])
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory that the account of PostgreSQL can reach, also when root runs the tests."""
    place = Path(tempfile.mkdtemp(prefix="rt", dir="/tmp"))
    place.chmod(0o755)
    yield place / "data"
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def serving(data: Path) -> Iterator[Serving]:
    with _serve(data) as running:
        yield running


def _wait_for(url: str, status: int) -> None:
    deadline = time.monotonic() + PATIENCE
    seen: object = None
    while seen != status:
        assert time.monotonic() < deadline, seen
        try:
            seen = httpx.get(url, timeout=PATIENCE).status_code
        except httpx.TransportError as error:
            seen = error
        time.sleep(0.05)


def test_is_ready_at_the_address_that_it_says(serving: Serving) -> None:
    assert httpx.get(f"{serving.url}/healthz").status_code == 200
    assert httpx.get(f"{serving.url}/readyz").status_code == 200
    smart = httpx.get(f"{serving.url}/fhir/.well-known/smart-configuration").json()
    assert smart["token_endpoint"] == f"{serving.url}/oauth/token"


def test_a_second_one_on_the_directory_is_refused(serving: Serving) -> None:
    line = _refused(_run("serve", "--data", str(serving.data), "--port", "0"))
    assert "another serve runs" in line
    assert httpx.get(f"{serving.url}/readyz").status_code == 200


def test_a_taken_port_is_refused_before_anything_is_made(serving: Serving, tmp_path: Path) -> None:
    other = tmp_path / "other"
    line = _refused(_run("serve", "--data", str(other), "--port", str(serving.port)))
    assert f"port {serving.port}" in line
    assert not other.exists()


def test_a_host_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    line = _refused(_run("serve", "--data", str(tmp_path / "d"), "--host", "203.0.113.1", "--port", "0"))
    assert "cannot listen on 203.0.113.1" in line


def test_another_command_uses_the_same_postgresql_meanwhile(serving: Serving) -> None:
    before = serving.postmaster.read_text()
    done = _run("client", "list", "--data", str(serving.data))
    assert (done.returncode, done.stdout) == (0, "No client is registered.\n"), done.stderr
    assert serving.postmaster.read_text() == before
    assert httpx.get(f"{serving.url}/readyz").status_code == 200


def test_a_postgresql_that_died_is_started_again(serving: Serving) -> None:
    dead = int(serving.postmaster.read_text().splitlines()[0])
    os.kill(dead, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while not _has_other_postmaster(serving, dead):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    _wait_for(f"{serving.url}/readyz", 200)


def _has_other_postmaster(serving: Serving, dead: int) -> bool:
    with contextlib.suppress(FileNotFoundError, IndexError):
        return int(serving.postmaster.read_text().splitlines()[0]) != dead
    return False


def test_what_is_in_flight_finishes_before_all_ends(serving: Serving) -> None:
    """The last test of `serving`: half a request, SIGTERM, the other half, an answer."""
    with socket.create_connection(("127.0.0.1", serving.port), PATIENCE) as client:
        client.settimeout(PATIENCE)
        body = b"grant_type=client_credentials"
        client.sendall(
            b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert client.recv(100).startswith(b"HTTP/1.1 100")  # the route reads by now
        serving.process.send_signal(signal.SIGTERM)
        _wait_until_closed(serving.port)
        assert serving.postmaster.exists()
        client.sendall(body)
        assert client.recv(1000).startswith(b"HTTP/1.1 401")
        assert serving.process.wait(PATIENCE) == 0
        assert not serving.postmaster.exists()
        assert "Traceback" not in (serving.data.parent / "log").read_text()


def _wait_until_closed(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            assert time.monotonic() < deadline
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            time.sleep(0.02)


def test_ctrl_c_ends_it_without_a_word(demo_database: Database, tmp_path: Path) -> None:
    with _serve(tmp_path / "d", DATABASE_URL=demo_database.dsn) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 0
        assert running.process.stdout is not None
        assert running.process.stdout.read() == ""
    assert (tmp_path / "log").read_text() == ""
    assert not (tmp_path / "d").exists()  # nothing is kept beside an external database


def test_others_are_told_the_base_url_that_was_given(demo_database: Database, tmp_path: Path) -> None:
    given = ("--base-url", "https://hub.example/referral/")
    with _serve(tmp_path / "d", *given, DATABASE_URL=demo_database.dsn) as running:
        assert running.url == "https://hub.example/referral"


async def test_what_may_be_attached_is_what_the_environment_says(demo_database: Database) -> None:
    environment = {"REFERRAL_LARGEST_ATTACHMENT": "1", "REFERRAL_ATTACHMENT_TYPES": "image/png"}
    settings = Settings.from_environment(environment)
    database = cli.Database(demo_database.dsn, None, None)
    store = await Store.open(demo_database.dsn, size=1)
    with listen("127.0.0.1", 0) as listener:
        async with running(database, listener, address_of(listener), settings):
            served = RunningService(address_of(listener), store)
            station = await served.system(LE_CHAN)
            for kind, size, status in (
                ("image/png", MEBIBYTE, 201),
                ("image/png", MEBIBYTE + 1, 413),
                ("application/pdf", 1, 415),
            ):
                answer = await station.post("Binary", content=b"x" * size, headers={"Content-Type": kind})
                assert answer.status_code == status, answer.text
            await served.close()
    await store.close()


def test_an_unmigrated_database_is_refused(demo_database: Database, tmp_path: Path) -> None:
    empty = demo_database.dsn.replace("@/demo?", "@/template1?")
    line = _refused(_run("serve", "--data", str(tmp_path / "d"), "--port", "0", DATABASE_URL=empty))
    assert "migrate" in line


def test_a_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    away = "postgresql://u:secret@127.0.0.1:1/d"
    line = _refused(_run("serve", "--data", str(tmp_path / "d"), "--port", "0", DATABASE_URL=away))
    assert "secret" not in line


@pytest.mark.parametrize(
    ("family", "bound", "address"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "[::1]"),
        (socket.AF_INET6, "::", "[::1]"),
    ],
)
def test_an_address_that_this_machine_can_open(family: int, bound: str, address: str) -> None:
    try:
        listener = socket.create_server((bound, 0), family=family)
    except OSError:
        pytest.skip(f"{bound} is not on this machine")
    with listener:
        assert address_of(listener) == f"http://{address}:{listener.getsockname()[1]}"
