"""The command line as a person runs it: a process of its own."""

import asyncio
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field

from tests.cli import ready


@dataclass(frozen=True, slots=True)
class Program:
    """`referral` against one database; `environment` beside its address."""

    dsn: str
    environment: dict[str, str] = field(default_factory=dict)

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, its output into files (however wide the terminal is, whence it was called)."""
        environment = {**os.environ, "DATABASE_URL": self.dsn, "COLUMNS": "80", **self.environment}
        return await asyncio.to_thread(ready.run, arguments, environment)

    async def run_on_terminal(self, *arguments: str) -> str:
        """What it prints on a terminal of 80 columns."""
        return await asyncio.to_thread(self._run_on_terminal, *arguments)

    def _run_on_terminal(self, *arguments: str) -> str:
        ours, its = pty.openpty()
        environment = {**os.environ, "DATABASE_URL": self.dsn, "COLUMNS": "80", "TERM": "xterm"}
        with subprocess.Popen([sys.executable, "-m", "referral", *arguments], env=environment, stdout=its):
            os.close(its)
            printed = b""
            # Linux says that nobody writes any more by an error.
            with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
                while some := terminal.read(4096):
                    printed += some
        return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode())
