"""The account under which PostgreSQL runs, and programs run as that account."""

import contextlib
import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ACCOUNTS = ("postgres", "nobody")


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; one line for a person."""


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that runs the server when we are root."""

    uid: int
    gid: int


def find_account(cluster: Path) -> Account | None:
    """None is ourselves. Root runs a cluster as its owner, a new one as the first account that exists."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and cluster.stat().st_uid != 0:
        return Account(cluster.stat().st_uid, cluster.stat().st_gid)
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(f"PostgreSQL does not run as root and there is no account {' or '.join(_ACCOUNTS)}")


def run_as(account: Account | None, *command: str, text: str | None = None) -> tuple[int, str]:
    """Exit code and everything printed; through a file, since a server would keep a pipe open."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            input=text.encode() if text else None,
            stdin=None if text else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",  # the account may not be allowed where we are
            env={"PATH": os.defpath, "LC_ALL": "C"},  # nothing of PGHOST and its kin
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
            check=False,
        )
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace")


def reaches(account: Account | None, directory: Path) -> bool:
    return account is None or run_as(account, "/bin/sh", "-c", 'cd "$1"', "sh", str(directory))[0] == 0
