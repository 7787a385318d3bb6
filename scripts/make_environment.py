"""Makes .venv exactly what the lock says, with uv where it is, else with venv and pip.

Stdlib only: it runs before anything is installed. `--is-made` answers by exit code and changes nothing.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "made-from"


def wanted_stamp(version: str) -> str:
    """What .venv is made from: both locks, the place (programs in it hold it) and the Python version."""
    digest = hashlib.sha256()
    for name in ("uv.lock", "requirements.lock"):
        digest.update((ROOT / name).read_bytes())
    return f"{digest.hexdigest()} {version} {ROOT}\n"


def is_made() -> bool:
    """Asked by the Python of .venv itself, so that its version is the one that counts."""
    return STAMP.is_file() and STAMP.read_text() == wanted_stamp(platform.python_version())


def run(*command: str) -> bool:
    """Runs a program with its output on stderr: stdout belongs to the command that needs the environment."""
    environment = {name: value for name, value in os.environ.items() if name != "UV_PROJECT_ENVIRONMENT"}
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr, check=False).returncode == 0


def make_with_uv() -> bool:
    uv = shutil.which("uv")
    if uv is None:
        return False
    if run(uv, "sync", "--quiet", "--frozen", "--no-install-project", "--python", sys.executable):
        return True
    print("uv could not do it; trying pip.", file=sys.stderr)
    return False


def make_with_pip() -> bool:
    pip = (str(VENV / "bin" / "python"), "-I", "-m", "pip", "--quiet", "--disable-pip-version-check")
    install = (
        "install",
        "--no-input",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(ROOT / "requirements.lock"),
    )
    return run(sys.executable, "-I", "-m", "venv", "--clear", str(VENV)) and run(*pip, *install)


def put_project_on_path() -> None:
    """A line in site-packages: building the project would need the network."""
    (packages,) = VENV.glob("lib/python3*/site-packages")
    (packages / "referral-project.pth").write_text(f"{ROOT}\n", encoding="utf-8")


def make() -> str | None:
    """Error text, or None when .venv is made."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    with contextlib.suppress(OSError):  # some network file systems cannot
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until we end; on the folder, so no lock file lies about
    if is_made_by_venv():  # by another process meanwhile
        return None
    print("Setting up the Python environment in .venv; the first time takes a minute.", file=sys.stderr)
    try:
        # From nothing: an interrupted or older environment would leave its remains.
        if VENV.exists():
            STAMP.unlink(missing_ok=True)
            shutil.rmtree(VENV)
        VENV.mkdir()
        if not (make_with_uv() or make_with_pip()):
            return "the Python environment could not be set up; see above (network? disk space?)"
        put_project_on_path()
        version = subprocess.run(
            [VENV / "bin" / "python", "-I", "-S", "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        STAMP.write_text(wanted_stamp(version))
    except OSError as error:
        return f"cannot write {error.filename or VENV}: {error.strerror}"
    return None


def is_made_by_venv() -> bool:
    command = [VENV / "bin" / "python", "-I", "-S", __file__, "--is-made"]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--is-made", action="store_true")
    if parser.parse_args().is_made:
        sys.exit(not is_made())
    problem = make()
    if problem:
        sys.exit(problem)


if __name__ == "__main__":
    main()
