#!/usr/bin/env python3
"""Compile fhir_profiles/ into fhir_profiles/package/; with --check only say whether that is stale.

FSH is compiled by SUSHI (https://fshschool.org/docs/sushi/), which needs Node.js and npm, so nothing is
compiled where the sources are as they were. The CapabilityStatement comes from the registries and needs
neither. The check compares hashes and that statement; it needs nothing but Python.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from r4_definitions import definitions

ROOT: Final = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.fhir.capability import capability_statement  # noqa: E402  (the path must be set first)
from referral.fhir.systems import BASE  # noqa: E402

SUSHI: Final = "fsh-sushi@3.21.0"
CORE: Final = "hl7.fhir.r4.core#4.0.1"
CAPABILITY: Final = "CapabilityStatement-referral.json"
MANIFEST: Final = "package.json"


class Profiles:
    """The sources and what is made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "package"
        self.hashes = folder / "compiled.sha256"

    def sources(self) -> list[Path]:
        return [self.folder / "sushi-config.yaml", *sorted(self.folder.glob("input/fsh/**/*.fsh"))]

    def compiled(self) -> list[Path]:
        found = sorted(self.package.glob("**/*.json"))
        return [path for path in found if path.name != CAPABILITY]

    def told(self) -> str:
        """As `sha256sum` writes them, of sources and compiled files."""
        return "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self.folder).as_posix()}\n"
            for path in [*self.sources(), *self.compiled()]
        )

    def is_compiled(self) -> bool:
        return self.hashes.is_file() and self.hashes.read_text(encoding="utf-8") == self.told()


def capability() -> str:
    """What every instance says at /fhir/metadata, without what is one instance's own."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    statement = capability_statement(
        fhir_base=BASE, token_endpoint=BASE, version=version, date=datetime(2026, 11, 22, tzinfo=UTC)
    )
    statement = {"id": "referral"} | statement | {"kind": "capability"}
    del statement["implementation"]
    del statement["rest"][0]["security"]["extension"]
    return as_json(statement)


def as_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def stale(profiles: Profiles) -> str | None:
    """What is wrong with the package; None for nothing."""
    if not profiles.is_compiled():
        return "the sources or the compiled files have changed since they were compiled"
    path = profiles.package / CAPABILITY
    if not path.is_file() or path.read_text(encoding="utf-8") != capability():
        return f"{CAPABILITY} is not what the service says"
    return None


def compile_package(profiles: Profiles) -> None:
    """Write the package anew. Raises CalledProcessError where SUSHI finds a fault."""
    home = profiles.folder / ".sushi"
    sushi = install_sushi(home)
    made = home / "made"
    shutil.rmtree(made, ignore_errors=True)
    done = subprocess.run(
        [sushi, "build", profiles.folder, "--snapshot", "--out", made],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        done.check_returncode()
    shutil.rmtree(profiles.package, ignore_errors=True)
    for path in sorted((made / "fsh-generated" / "resources").glob("*.json")):
        # As the format of packages has it: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
        folder = profiles.package if "url" in json.loads(path.read_bytes()) else profiles.package / "example"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    (profiles.package / MANIFEST).write_text(manifest(profiles), encoding="utf-8")


def install_sushi(home: Path) -> Path:
    """The program, in a folder of its own with the definitions of R4 where it looks for them."""
    sushi = home / "node_modules" / ".bin" / "sushi"
    wanted = home / SUSHI
    if not wanted.exists():
        home.mkdir(exist_ok=True)
        install = ("npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", home, SUSHI)
        subprocess.run(install, check=True)
        wanted.touch()
    core = home / ".fhir" / "packages" / CORE
    if not core.exists():
        write_core(core)
    return sushi


def write_core(folder: Path) -> None:
    """The package that SUSHI would fetch from a registry of FHIR packages."""
    unfinished = folder.with_name("unfinished") / "package"
    unfinished.mkdir(parents=True, exist_ok=True)
    for found in definitions("StructureDefinition", "ValueSet", "CodeSystem"):
        (unfinished / f"{found['resourceType']}-{found['id']}.json").write_text(json.dumps(found))
    name, version = CORE.split("#")
    told = {"name": name, "version": version, "fhirVersions": [version], "type": "Core"}
    (unfinished / MANIFEST).write_text(json.dumps(told))
    unfinished.parent.rename(folder)


def manifest(profiles: Profiles) -> str:
    """The package.json of a FHIR package, of what sushi-config.yaml says."""
    lines = (profiles.folder / "sushi-config.yaml").read_text(encoding="utf-8").splitlines()
    said = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith((" ", "#")))
    name, version = CORE.split("#")
    return as_json(
        {
            "name": said["id"],
            "version": said["version"],
            "canonical": said["canonical"],
            "title": said["title"],
            "description": said["description"],
            "type": "fhir.ig",
            "license": said["license"],
            "author": "The referral project",
            "fhirVersions": [said["fhirVersion"]],
            "dependencies": {name: version},
        }
    )


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compile the profiles.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when they are stale")
    parser.add_argument("--folder", type=Path, default=ROOT / "fhir_profiles", help="the profiles")
    options = parser.parse_args(None if arguments is None else list(arguments))
    profiles = Profiles(options.folder)
    if options.check:
        if fault := stale(profiles):
            print(f"{profiles.package}: {fault}: run scripts/make_profiles.py", file=sys.stderr)
            return 1
        return 0
    if not profiles.is_compiled():
        compile_package(profiles)
        profiles.hashes.write_text(profiles.told(), encoding="utf-8")
    (profiles.package / CAPABILITY).write_text(capability(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
