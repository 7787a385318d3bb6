"""An environment in which nothing is installed but what is named, made without the network.

Files of installed packages are linked from the environment of the tests, as their own records list them:
what no dependency asks for is not there, and the source tree is not on the path.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, made in `folder` by the build back end itself."""
    return _build(source, folder, "wheel", "*.whl")


def build_sdist(source: Path, folder: Path) -> Path:
    return _build(source, folder, "sdist", "*.tar.gz")


def _build(source: Path, folder: Path, target: str, pattern: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob(pattern)
    return made


def requirements_of(wheel: Path) -> list[Requirement]:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def all_needed(requirements: Iterable[Requirement], extra: str = "") -> dict[str, Distribution]:
    """The installed distributions that these requirements, and theirs, name; by normal name."""
    found: dict[str, Distribution] = {}
    waiting = [(requirement, {"", extra}) for requirement in requirements]
    seen = set()
    while waiting:
        requirement, extras = waiting.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": one}) for one in extras):
            continue
        name = canonicalize_name(requirement.name)
        if (name, key := frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, key))
        found[name] = distribution(name)
        theirs = [Requirement(line) for line in found[name].requires or ()]
        waiting += [(their, {"", *requirement.extras}) for their in theirs]
    return found


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment. `user`: as whom its programs run; None is ourselves."""

    folder: Path
    user: int | None = None

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def variables(self, **more: str) -> dict[str, str]:
        """Nothing of ours but where programs are."""
        return {"PATH": f"{self.folder / 'bin'}:{os.defpath}", **more}

    def run(
        self, *command: str | Path, cwd: Path, patience: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A program of it to its end, in the folder `cwd`."""
        return subprocess.run(
            [shutil.which(command[0], path=self.folder / "bin") or command[0], *command[1:]],
            cwd=cwd,
            env=self.variables(**environment),
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )

    def uv_pip(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An installer that stands outside of it."""
        uv = Path(sys.executable).with_name("uv")
        return subprocess.run(
            [uv, "pip", command, "--python", self.python, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )


def make_environment(
    folder: Path, interpreter: Path, needed: Iterable[Distribution], wheel: Path
) -> Environment:
    """A new environment in `folder` with these distributions and, installed by an installer, the wheel."""
    subprocess.run([interpreter, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for found in needed:
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                _link(Path(str(found.locate_file(file))), packages / file)
    environment = Environment(folder)
    options = ("--offline", "--no-index", "--no-deps", "--compile-bytecode")
    done = environment.uv_pip("install", *options, str(wheel))
    assert done.returncode == 0, done.stderr
    return environment


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # on another file system
        shutil.copy2(source, target)
    # Compiled already, it need not be again; Python compares it with the time of its source.
    compiled = Path("__pycache__", f"{source.stem}.{sys.implementation.cache_tag}.pyc")
    if source.suffix == ".py" and (source.parent / compiled).exists():
        _link(source.parent / compiled, target.parent / compiled)
