"""The superuser of a cluster of ours: the service never signs in as him, runs and tests do."""

import json
from pathlib import Path

from referral.embedded import EmbeddedPostgres


def superuser_dsn(data: Path, server: EmbeddedPostgres, database: str = "postgres") -> str:
    """For a database of the cluster that runs in a data directory."""
    password = json.loads((data / "postgres" / "passwords.json").read_text())["postgres"]
    return f"postgresql://postgres:{password}@/{database}?{server.dsn.partition('?')[2]}"
