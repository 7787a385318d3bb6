"""The wheel works alone: in an environment with its dependencies and nothing else, from an empty folder."""

import json
import signal
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from zipfile import ZipFile

import pytest

import referral
from tests.install.environment import (
    ROOT,
    Environment,
    all_needed,
    build_sdist,
    build_wheel,
    make_environment,
    requirements_of,
)


@pytest.fixture(scope="module")
def installed(workshop: Path, wheel: Path) -> Environment:
    needed = all_needed(requirements_of(wheel))
    return make_environment(workshop / "alone", Path(sys.executable), needed.values(), wheel)


@pytest.fixture(scope="module")
def empty(workshop: Path) -> Path:
    folder = workshop / "empty"
    folder.mkdir()
    return folder


def test_it_holds_what_the_package_has_and_the_licence(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        told = archive.read(metadata).decode()
    sources = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("referral/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    package = ROOT / "fhir_profiles" / "package"
    sources |= {
        str(Path("referral", "fhir_profiles", path.relative_to(package)))
        for path in package.glob("**/*")
        if path.is_file()
    }
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert "License-Expression: Apache-2.0\n" in told
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_archive_makes_the_same_wheel(workshop: Path, wheel: Path) -> None:
    archive = build_sdist(ROOT, workshop / "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(workshop, filter="data")
    source = workshop / archive.name.removesuffix(".tar.gz")
    for name in ("Dockerfile", "compose.yaml", "scripts/deploy/build.lock", "tests/conftest.py", "LICENSE"):
        assert (source / name).is_file(), name
    again = build_wheel(source, workshop / "again")
    assert again.name == wheel.name
    with ZipFile(again) as ours, ZipFile(wheel) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())


def test_it_needs_nothing_that_it_does_not_name(installed: Environment) -> None:
    checked = installed.uv_pip("check")
    assert checked.returncode == 0, checked.stderr


def test_it_is_itself_and_not_the_source_tree(installed: Environment, empty: Path) -> None:
    said = installed.run("referral", "version", cwd=empty)
    assert (said.stdout, said.stderr) == (f"referral {referral.__version__}\n", "")
    where = installed.run(
        "python", "-c", "import referral, sys; print(referral.__file__, *sys.path)", cwd=empty
    )
    file, *path = where.stdout.split()
    assert Path(file).is_relative_to(installed.folder)
    assert not [entry for entry in path if Path(entry).is_relative_to(ROOT)]
    absent = installed.run("python", "-c", "import pytest", cwd=empty)
    assert "ModuleNotFoundError" in absent.stderr


def test_it_reads_its_profiles(installed: Environment, empty: Path) -> None:
    read = "print(artefact('StructureDefinition', 'offer')['type'])"
    read = f"from referral.fhir.profiles import artefact; {read}"
    said = installed.run("python", "-c", read, cwd=empty)
    assert (said.stdout, said.stderr) == ("Task\n", "")


def test_it_migrates_plays_and_serves_with_its_own_postgresql(installed: Environment, empty: Path) -> None:
    """What `demo --play` does: initdb, migrations, the demo network, the play over HTTP; then it serves."""
    command = [installed.folder / "bin" / "referral", "demo", "--play", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=empty,
        env=installed.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        told = []
        for line in process.stdout:
            told.append(line)
            if line.startswith("Serving on "):
                break
        assert "Every step went as it should.\n" in told, "".join(told)
        fhir = told[-1].split()[2]
        assert json.loads(get(f"{fhir.removesuffix('/fhir')}/readyz"))
        assert json.loads(get(f"{fhir}/metadata"))["software"]["version"] == referral.__version__
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert sorted(path.name for path in empty.iterdir()) == ["data"]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
    return body
