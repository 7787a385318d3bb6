"""A process's share in the server of one data directory, and the locks that say who has one."""

import contextlib
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from referral.embedded.account import EmbeddedError, find_account
from referral.embedded.cluster import PORT, Cluster
from referral.embedded.place import find_home, find_packages

_LOCK_SECONDS = 150  # a stop and a start by others, each at its slowest


class EmbeddedPostgres:
    """A share in the server of one data directory; a context manager that gives the share back."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._cluster = Cluster(home, find_account(home / "cluster"))
        self._locks: list[int] = []
        self._passwords: dict[str, str] = {}
        _shares.add(self)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Starts the server of `directory`, or joins those who use it already; makes what is missing.

        Raises EmbeddedError when the directory or the server in it cannot be used.
        """
        directory = directory.absolute()
        find_packages()  # before anything is made
        share = None
        try:
            share = cls(find_home(directory))
            share._join()
        except OSError as error:
            if share:
                share.close()
            place = f" ({error.filename})" if error.filename else ""
            message = f"cannot keep PostgreSQL in {directory}: {error.strerror or error}{place}"
            raise EmbeddedError(message) from error
        except BaseException:  # an interrupt too must leave no server behind
            if share:
                share.close()
            raise
        return share

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def dsn(self) -> str:
        """Of the login role: service and worker."""
        return self._dsn("referral_login")

    @property
    def owner_dsn(self) -> str:
        """Of the role that owns the database: migrations."""
        return self._dsn("referral_owner")

    def ensure_running(self) -> None:
        """Starts the server again if it died.

        Raises EmbeddedError when it cannot be started.
        """
        if not self._cluster.accepts():
            with self._control():
                self._cluster.adopt_or_start()

    def serve_lock(self) -> None:
        """Claims the directory for one `serve`, until `close`.

        Raises EmbeddedError when another process has it.
        """
        descriptor = self._open_lock("serve.lock")
        if not _lock(descriptor, fcntl.LOCK_EX):
            os.close(descriptor)
            raise EmbeddedError(f"another serve runs on {self._home.parent}")
        self._locks.append(descriptor)

    def close(self) -> None:
        """Gives the share back, and stops the server when nobody else has one. May be called twice."""
        if not self._locks:
            return
        try:
            with self._control():
                if _lock(self._locks[0], fcntl.LOCK_EX) and self._cluster.postmaster():
                    self._cluster.stop()
        finally:
            self.forget()

    def forget(self) -> None:
        """Drops the locks and leaves the server alone."""
        while self._locks:
            os.close(self._locks.pop())

    def _dsn(self, role: str) -> str:
        host = quote(str(self._cluster.sockets), safe="")
        return f"postgresql://{role}:{self._passwords[role]}@/referral?host={host}&port={PORT}"

    def _join(self) -> None:
        with self._control():
            # Before the share: what is not ours, or of another version, is not to be stopped on the way out.
            self._passwords = self._cluster.passwords()
            users = self._open_lock("users.lock")
            self._locks.append(users)
            fcntl.flock(users, fcntl.LOCK_SH)
            self._cluster.adopt_or_start()

    def _open_lock(self, name: str) -> int:
        descriptor = os.open(self._home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:  # root in somebody's directory leaves no file that they cannot open
            owner = self._home.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    @contextlib.contextmanager
    def _control(self) -> Iterator[None]:
        """Alone among all processes and threads that start or stop this server."""
        descriptor = self._open_lock("control.lock")
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise EmbeddedError(
                        f"another process does not finish starting PostgreSQL in {self._home}"
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)


_shares: "weakref.WeakSet[EmbeddedPostgres]" = weakref.WeakSet()


def _forget_shares() -> None:
    for share in _shares:
        share.forget()


# A lock lives until its last descriptor is closed: a forked child must not prolong its parent's.
os.register_at_fork(after_in_child=_forget_shares)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
