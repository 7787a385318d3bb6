"""A released version as a program of its own, and its service as the systems of the demo use it."""

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from referral.store.pool import Store
from tests.conftest import Database
from tests.running_service import RunningService, _Bearer

WHEELS = sorted(Path(__file__).parent.glob("referral-*.whl"))
REVISIONS = {"0.1.0": "0001"}
"""The newest revision of each release."""

_PATIENCE = 60  # seconds until a test gives up on another process


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


@dataclass(frozen=True, slots=True)
class Release:
    """An unpacked wheel, run with the libraries of the present environment."""

    version: str
    code: Path

    @classmethod
    def unpack(cls, wheel: Path, folder: Path) -> "Release":
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        return cls(version_of(wheel), folder)

    @property
    def revision(self) -> str:
        return REVISIONS[self.version]

    def environment(self, database: Database, *, owner: bool = False) -> dict[str, str]:
        """That of its process; as the owner too, for what migrates."""
        return {
            **os.environ,
            "PYTHONPATH": str(self.code),
            "DATABASE_URL": database.dsn,
            "DATABASE_OWNER_URL": database.owner_dsn if owner else "",
            "COLUMNS": "80",
        }

    async def run(self, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "referral", *arguments],
            cwd=self.code.parent,
            env=self.environment(database),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )

    @asynccontextmanager
    async def serving(
        self, database: Database, *command: str, until: str, owner: bool = False
    ) -> AsyncIterator[str]:
        """Its address, while a command serves: from the line on that begins with `until`."""
        log = self.code.parent / "log"
        with log.open("w") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "referral", *command),
                cwd=self.code.parent,
                env=self.environment(database, owner=owner),
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            try:
                assert process.stdout is not None
                url, line = "", ""
                async with asyncio.timeout(_PATIENCE):
                    while not line.startswith(until):
                        line = (await process.stdout.readline()).decode()
                        assert line, log.read_text()
                        if line.startswith("ready on "):
                            url = line.split()[-1]
                yield url
            finally:
                process.terminate()
                await process.communicate()
        assert "Traceback" not in log.read_text()
        assert '"fault"' not in log.read_text()


class Door(RunningService):
    """One of the processes that serve a database. The systems sign in with the keys of the demo, wherever."""

    def __init__(self, base_url: str, credentials: Mapping[str, Any]) -> None:
        """credentials: what demo-credentials.json holds."""
        super().__init__(base_url, cast("Store", None))
        for one in credentials["systems"]:
            self._systems[one["facility"], one["scope"]] = httpx.AsyncClient(
                base_url=self.fhir + "/",
                auth=_Bearer(base_url, one["client_id"], one["private_jwk"]),
                headers={"Content-Type": "application/fhir+json"},
                timeout=_PATIENCE,
            )


def credentials_in(folder: Path) -> dict[str, Any]:
    """The keys of the demo's systems; `folder` is the data directory."""
    return dict(json.loads((folder / "demo-credentials.json").read_text(encoding="utf-8")))
