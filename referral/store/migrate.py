"""Bring a database to a revision of the schema. Runs under the owner role, not the service's."""

from importlib import resources
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from referral.domain.errors import StoreUnavailable


def migrate(owner_dsn: str, revision: str = "head") -> None:
    """Upgrade (or, for `base` and `-N`, downgrade) the database of `owner_dsn`.

    Raises StoreUnavailable with one clear line when the database cannot be reached or migrated.
    """
    with resources.as_file(resources.files("referral.store").joinpath("migrations")) as folder:
        config = _config(folder, owner_dsn)
        down = revision == "base" or revision.startswith("-")
        try:
            (command.downgrade if down else command.upgrade)(config, revision)
        except (OSError, SQLAlchemyError, asyncpg.PostgresError, CommandError) as failure:
            first_line = str(failure).strip().splitlines()[0]
            raise StoreUnavailable(f"The database could not be migrated: {first_line}") from failure


def _config(folder: Path, owner_dsn: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["dsn"] = owner_dsn
    return config
