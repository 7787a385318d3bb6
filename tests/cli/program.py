"""The command line as a person runs it: a process of its own."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """`referral` against one database."""

    dsn: str

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, on a terminal wide enough for tables."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "referral", *arguments],
            env={**os.environ, "DATABASE_URL": self.dsn, "COLUMNS": "240"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
