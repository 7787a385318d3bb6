"""Databases that cannot be used: `serve` and `migrate` say so in one line and end with 2."""

import asyncio
import re
from pathlib import Path

from tests.cli.program import Program
from tests.conftest import Database
from tests.old_postgresql import greeting_server

_SECRET = "not-the-password"


async def refusal(command: str, address: str, data: Path) -> str:
    """The one line that a command ends with."""
    more = ("--port", "0") if command == "serve" else ()
    program = Program(address, {"DATABASE_OWNER_URL": address})
    done = await program.run(command, "--data", str(data), *more)
    line = done.stderr
    assert (done.returncode, done.stdout) == (2, ""), (command, line)
    assert re.fullmatch(r"referral: [^\n]+\n", line)
    assert _SECRET not in line
    return line


async def test_each_is_named_by_both(database: Database, tmp_path: Path) -> None:
    def wrong(dsn: str) -> str:
        return re.sub(r":[^:@]*@", f":{_SECRET}@", dsn)

    async with greeting_server("14.23") as fourteen:
        lines = await asyncio.gather(
            *(
                refusal(command, address, tmp_path / "data")
                for command, address in [
                    ("serve", wrong(database.dsn)),
                    ("migrate", wrong(database.owner_dsn)),
                    ("serve", fourteen),
                    ("migrate", fourteen),
                    ("serve", f"postgresql://u:{_SECRET}@/d?host={tmp_path}/nowhere"),
                    ("migrate", f"postgresql://u:{_SECRET}@/d?host={tmp_path}/nowhere"),
                    ("serve", f"postgresql://u:{_SECRET}@localhost:banana/d"),
                    ("migrate", f"postgresql://u:{_SECRET}@localhost:banana/d"),
                ]
            )
        )
    assert 'password authentication failed for user "referral_login"' in lines[0]
    assert 'password authentication failed for user "referral_owner"' in lines[1]
    assert all("PostgreSQL 14: 15 or newer is needed" in line for line in lines[2:4])
    assert all("No such file or directory" in line for line in lines[4:6])
    assert all("banana" in line for line in lines[6:8])
