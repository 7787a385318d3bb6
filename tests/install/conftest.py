"""The wheel, made once, and a folder that the account of PostgreSQL reaches."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.environment import ROOT, build_wheel


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="referral-install-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def wheel(workshop: Path) -> Path:
    return build_wheel(ROOT, workshop / "dist")
