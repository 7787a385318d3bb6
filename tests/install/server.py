"""A PostgreSQL as its image runs it: a new cluster, a superuser with a password, an address on loopback."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from referral.embedded.account import Account, find_account
from referral.embedded.place import find_binaries


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `variables` tell psql and its kin where it is and who asks: the superuser."""

    port: int
    binaries: Path
    variables: Mapping[str, str]


@contextmanager
def bare_server(password_file: Path, initdb: str, command: list[str], port: int) -> Iterator[Server]:
    """Runs it while it is used. `initdb`: options of initdb; `command`: the server's own, program first."""
    account = find_account(Path("/nonexistent"))
    binaries = find_binaries(account)
    with tempfile.TemporaryDirectory(prefix="referral-server-") as name:
        folder = Path(name)
        secret = folder / "password"
        shutil.copyfile(password_file, secret)
        for path in (folder, secret):
            os.chown(path, account.uid, account.gid) if account else None
        data = folder / "data"
        made = _start(
            account,
            [
                *(binaries / "initdb", f"--pgdata={data}", "--username=postgres", f"--pwfile={secret}"),
                *("--auth=scram-sha-256", *shlex.split(initdb)),
            ],
        )
        output, _ = made.communicate()
        assert made.returncode == 0, output
        place = ["-D", data, "-p", str(port), "-k", folder, "--listen_addresses=127.0.0.1"]
        running = _start(account, [binaries / command[0], *place, *command[1:]], log=folder / "log")
        variables = {
            "PATH": f"{binaries}:{os.defpath}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "postgres",
            "PGPASSWORD": password_file.read_text(),
        }
        try:
            ready = [binaries / "pg_isready", "--quiet", "--dbname=postgres"]
            while subprocess.run(ready, env=variables, check=False).returncode:
                assert running.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield Server(port, binaries, variables)
        finally:
            running.send_signal(signal.SIGINT)  # fast: ends the sessions of others
            running.wait()


def _start(
    account: Account | None, command: list[str | Path], log: Path | None = None
) -> subprocess.Popen[str]:
    with (log or Path(os.devnull)).open("w") as written:
        return subprocess.Popen(
            command,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
            stdout=written if log else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
